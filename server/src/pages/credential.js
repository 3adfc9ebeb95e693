(() => {
  "use strict";
  const box = document.getElementById("credential");
  const { options } = JSON.parse(box.dataset.operation);
  const form = box.closest("form");
  const field = form.elements.credential;
  const button = form.querySelector("button[value=show_credential]");
  const api = window.DigitalCredential;
  const allows = (protocol) => {
    try {
      return api.userAgentAllowsProtocol(protocol) === true;
    } catch {
      return false;
    }
  };
  // A button that does nothing is worse than none: the link to the wallet is there in any case.
  const requests = options.requests.filter((one) => typeof api?.userAgentAllowsProtocol === "function" && allows(one.protocol));
  if (!button || !navigator.credentials || requests.length === 0) return;
  button.hidden = false;

  const say = (what) => { box.textContent = box.dataset[what]; };
  const read = (data) => (typeof data === "string" ? JSON.parse(data) : data);
  const begin = async () => {
    const shown = await navigator.credentials.get({ digital: { requests }, mediation: "required" });
    if (!shown) throw new DOMException("", "NotAllowedError");
    field.value = JSON.stringify({ protocol: shown.protocol, data: read(shown.data) });
    form.requestSubmit(button);
  };
  button.addEventListener("click", (event) => {
    if (field.value) return;
    event.preventDefault();
    say("waiting");
    const stopped = ["NotAllowedError", "AbortError", "TimeoutError"];
    begin().catch((error) => say(stopped.includes(error?.name) ? "cancelled" : "failed"));
  });
})();
