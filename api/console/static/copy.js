// Copies the text of the element that the button names.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const label = button.querySelector("span");
  try {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    label.textContent = "Copied";
  } catch { // no clipboard over plain http: select it instead
    getSelection().selectAllChildren(document.getElementById(button.dataset.copy));
    label.textContent = "Selected";
  }
  document.getElementById("announcer").textContent = label.textContent;
  setTimeout(() => { label.textContent = "Copy"; }, 1500);
});
