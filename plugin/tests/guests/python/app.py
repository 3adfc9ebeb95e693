"""A guest of the tests: what it does is said by the name of the client. World `decision`."""

import random
import secrets

import wit_world
from wit_world.imports import decisions, host


class WitWorld(wit_world.WitWorld):
    def decide(self, facts: decisions.Facts) -> decisions.Verdict:
        match facts.client:
            case "secret":
                said = host.random(16).hex()
            case "own":
                said = secrets.token_hex(16)
            case "game":
                said = str(random.random())
            case "raise":
                raise ValueError("what went wrong in Python")
            case "missing":
                said = str(host.Header("only-a-name"))
            case "surrogate":
                said = "\ud800"
            case "now":
                said = str(host.now())
            case "auth-time":
                said = str(facts.auth_time)
            case _:
                said = facts.sub
        return decisions.Verdict_Deny(said)
