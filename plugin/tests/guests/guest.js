// A guest of the tests: what it does is said by the name of the client. World `claims`.
import { now, random } from "symbolon:plugin/host@0.2.0";

const claim = (value) => [{ name: "plan", value }];
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

export function claims(facts) {
  switch (facts.client) {
    case "secret":
      return claim(JSON.stringify(hex(random(16))));
    case "game":
      return claim(JSON.stringify(String(Math.random())));
    case "throw":
      throw new Error("what went wrong in JavaScript");
    case "missing":
      return [{ name: "said" }];
    case "surrogate":
      return claim('"\uD800"');
    case "now":
      return claim(JSON.stringify(String(now())));
    default:
      return claim(JSON.stringify(facts.sub));
  }
}
