(() => {
  "use strict";
  const box = document.getElementById("passkey");
  const operation = JSON.parse(box.dataset.operation);
  const known = window.PublicKeyCredential;
  const has = (name) => typeof known?.[name] === "function";
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (one) => one.charCodeAt(0));
  const text = (buffer) =>
    btoa(Array.from(new Uint8Array(buffer), (one) => String.fromCharCode(one)).join("")).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const options = operation.options;

  if (operation.name === "passkey_signal") {
    const quietly = (call) => call().catch(() => {});
    if (has("signalAllAcceptedCredentials")) quietly(() => known.signalAllAcceptedCredentials(options));
    if (has("signalCurrentUserDetails") && options.name) {
      const { rpId, userId, name, displayName } = options;
      quietly(() => known.signalCurrentUserDetails({ rpId, userId, name, displayName }));
    }
    return;
  }

  const form = box.closest("form");
  const button = form.querySelector("button[value=passkey]");
  const say = (what) => { box.textContent = box.dataset[what]; };
  if (!known || !navigator.credentials || !button) {
    say("unsupported");
    if (button) button.hidden = true;
    return;
  }
  const makes = operation.name === "passkey_create";

  const publicKey = () => {
    const asked = structuredClone(options);
    asked.challenge = bytes(asked.challenge);
    if (asked.user) asked.user.id = bytes(asked.user.id);
    for (const list of ["allowCredentials", "excludeCredentials"]) {
      for (const one of asked[list] ?? []) one.id = bytes(one.id);
    }
    return asked;
  };
  const answer = (made) => {
    const given = made.response;
    const response = { clientDataJSON: text(given.clientDataJSON) };
    if (makes) {
      response.attestationObject = text(given.attestationObject);
      if (given.getTransports) response.transports = given.getTransports();
    } else {
      response.authenticatorData = text(given.authenticatorData);
      response.signature = text(given.signature);
      if (given.userHandle) response.userHandle = text(given.userHandle);
    }
    return JSON.stringify({
      id: made.id, rawId: text(made.rawId), type: made.type, response,
      authenticatorAttachment: made.authenticatorAttachment, clientExtensionResults: made.getClientExtensionResults(),
    });
  };

  let waiting = null;
  const begin = async (mediation) => {
    waiting?.abort();
    waiting = new AbortController();
    const asked = { publicKey: publicKey(), signal: waiting.signal };
    if (mediation) asked.mediation = mediation;
    const made = await (makes ? navigator.credentials.create(asked) : navigator.credentials.get(asked));
    if (!made) throw new DOMException("", "NotAllowedError");
    form.elements.passkey.value = answer(made);
    form.requestSubmit(button);
  };
  const heard = (name) => {
    if (name === "NotAllowedError" || name === "AbortError" || name === "TimeoutError") return "cancelled";
    if (name === "InvalidStateError" && makes) return "there";
    return "failed";
  };

  button.addEventListener("click", (event) => {
    if (form.elements.passkey.value) return;
    event.preventDefault();
    say("waiting");
    begin().catch((error) => {
      say(heard(error?.name));
      // Whoever closed a window in which a passkey is made gets none quietly.
      if (!makes) return offer();
    }).catch(() => {});
  });

  // Without a window: whatever goes wrong here is nobody's concern.
  const offer = async () => {
    if (operation.mediation !== "conditional") return;
    if (!makes && has("isConditionalMediationAvailable") && (await known.isConditionalMediationAvailable())) await begin("conditional");
    if (makes && has("getClientCapabilities") && (await known.getClientCapabilities()).conditionalCreate) await begin("conditional");
  };
  offer().catch(() => {});
})();
