// Claims from an entitlement service: what the person has bought, and no more than the API has listed.
//
// The configuration: `service` is the address of that service. It answers GET /entitlements/SUB with
// {"plan": "gold", "regions": ["eu"], "debt": true}.
import { config, log, send } from "symbolon:plugin/host@0.2.0";

// The small engine that this is built with has no TextDecoder.
const text = (bytes) => decodeURIComponent(Array.from(bytes, (byte) => "%" + byte.toString(16).padStart(2, "0")).join(""));

export function claims(facts) {
  const service = config("service");
  if (!service) throw "config.service is not set";
  const url = `${service}/entitlements/${encodeURIComponent(facts.sub)}`;
  const answer = send({ method: "GET", url, headers: [], body: new Uint8Array() });
  if (answer.status === 404) return [{ name: "plan", value: JSON.stringify("none") }];
  if (answer.status !== 200) throw `the service answered ${answer.status}`;
  const known = JSON.parse(text(answer.body));
  log("debug", `the plan is ${known.plan}`);
  const found = [
    { name: "plan", value: JSON.stringify(known.plan) },
    { name: "regions", value: JSON.stringify(known.regions ?? []) },
  ];
  // Who owes money buys nothing more: null takes a claim away.
  if (known.debt) found.push({ name: "credit_limit", value: "null" });
  return found;
}
