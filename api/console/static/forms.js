// Selects that submit at once, times that are sent with a zone, and buttons that send once only.
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submits]")) event.target.form.requestSubmit();
});

for (const field of document.querySelectorAll("[data-zoned]")) {
  const sent = document.createElement("input");
  sent.type = "hidden";
  sent.name = field.dataset.zoned;
  field.after(sent);
  const moment = new Date(field.dataset.value);
  if (!Number.isNaN(moment.getTime())) {
    field.value = new Date(moment - moment.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
  }
  const read = () => {
    sent.value = field.value ? new Date(field.value).toISOString() : "";
    sent.disabled = !sent.value;
  };
  field.addEventListener("input", read);
  read();
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  for (const field of form.method === "get" ? form.elements : []) field.disabled ||= field.name !== "" && field.value === "";
  if (form.method !== "post") return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "yes";
});

// A page that comes back from the cache of the browser has what was disabled when it left.
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  for (const form of document.forms) {
    delete form.dataset.sent;
    for (const field of form.elements) field.disabled = false;
  }
});
