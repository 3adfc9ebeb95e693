"""A decision on impossible travel.

A service of the bank knows where an address is, and where the person was seen last. Whoever would have had to travel faster than an
airliner signs in once more at a refresh, and is refused at a sign-in.

The configuration: `service` is the address of that service, `most_kmh` the highest speed. It answers POST /sightings with
{"km": 9120.5, "hours": 1.5}, or with 204 for somebody who was not seen before.
"""

import json

import wit_world
from componentize_py_types import Err
from wit_world.imports import decisions, host


class WitWorld(wit_world.WitWorld):
    def decide(self, facts: decisions.Facts) -> decisions.Verdict:
        service = host.config("service")
        if not service:
            raise Err("config.service is not set")
        if facts.address is None:
            return decisions.Verdict_Allow()
        seen = {"sub": facts.sub, "address": facts.address, "at": host.now()}
        headers = [host.Header("content-type", "application/json"), host.Header("idempotency-key", host.call_id())]
        answer = host.send(host.Request("POST", f"{service}/sightings", headers, json.dumps(seen).encode()))
        if answer.status == 204:
            return decisions.Verdict_Allow()
        if answer.status != 200:
            raise Err(f"the service answered {answer.status}")
        travel = json.loads(answer.body)
        most = float(host.config("most_kmh") or 1000)
        speed = travel["km"] / max(travel["hours"], 0.01)
        if speed <= most:
            return decisions.Verdict_Allow()
        why = f"{travel['km']:.0f} km in {travel['hours']:.1f} hours"
        if facts.moment == decisions.Moment.REFRESH:
            return decisions.Verdict_StepUp(why)
        return decisions.Verdict_Deny(why)
