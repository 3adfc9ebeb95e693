"""The bank's service of the example, for a trial: which number was given to which customer. It needs nothing but Python.

    python3 service.py PORT CUSTOMER=NUMBER ...
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

SECRET = "Bearer the secret of the trial"
given = {number: customer for customer, number in (pair.split("=", 1) for pair in sys.argv[2:])}
# A call that comes again has the same key, and gets the same answer.
answered = {}


def redeem(asked):
    """200: it is this customer's, and used up now. 404: it is not."""
    number, customer = asked.get("number"), asked.get("customer")
    if customer is None or given.get(number) != customer:
        return 404
    del given[number]
    return 200


class Service(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        key = self.headers.get("idempotency-key")
        if self.headers.get("authorization") != SECRET:
            status = 401
        elif self.path != "/visits/redeem":
            status = 404
        else:
            status = answered.setdefault(key, None) or redeem(json.loads(body))
            answered[key] = status
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()


print(f"http://127.0.0.1:{sys.argv[1]} knows {len(given)} numbers", flush=True)
HTTPServer(("127.0.0.1", int(sys.argv[1])), Service).serve_forever()
