// Goes on with what is done in portions: sends the form that the last portion answered, until there is none.
const PAUSES = [1000, 3000, 10000]; // before trying again, ms; then it is left to the button

async function post(form) {
  const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)), headers: { Accept: "text/html" }, redirect: "error" });
  if (!answer.ok) throw new Error(answer.status);
  return new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("bulk");
}

async function goOn() {
  let form, failures = 0;
  while ((form = document.querySelector("form[data-continues]"))) {
    form.querySelector("button").hidden = true;
    try {
      const next = await post(form);
      document.getElementById("bulk").replaceChildren(...document.importNode(next, true).childNodes);
      failures = 0;
    } catch {
      if (failures === PAUSES.length) {
        form.querySelector("button").hidden = false;
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSES[failures++]));
    }
  }
}

goOn();
