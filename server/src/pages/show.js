(() => {
  "use strict";
  for (const field of document.querySelectorAll("input[type=password]")) {
    const button = document.createElement("button");
    const box = document.createElement("span");
    const { show, hide } = field.form.dataset;
    const turn = (shown) => {
      field.type = shown ? "text" : "password";
      button.textContent = shown ? hide : show;
      button.setAttribute("aria-pressed", String(shown));
    };
    button.type = "button";
    button.className = "show";
    button.setAttribute("aria-controls", field.id);
    button.addEventListener("click", () => turn(field.type === "password"));
    // What is sent is a password again, so that managers and histories take it for one.
    field.form.addEventListener("submit", () => turn(false));
    box.className = "shown";
    field.before(box);
    box.append(field, button);
    // A field that moves loses the focus.
    if (field.autofocus) field.focus();
    turn(false);
  }
})();
