"""Second opinions about credentials: sd-jwt and pymdoccbor of PyPI, unchanged. wallet/tests/second_opinions.rs asks them.

One JSON object comes on standard input, one goes to standard output. An answer that a library refuses is {"refused": "..."}.
"""

import binascii
import json
import sys

from cryptography import x509
from jwcrypto.jwk import JWK
from pymdoccbor.mdoc.verifier import MdocCbor
from sd_jwt.common import SDObj
from sd_jwt.holder import SDJWTHolder
from sd_jwt.issuer import SDJWTIssuer
from sd_jwt.verifier import SDJWTVerifier


def issue(asked):
    """An SD-JWT VC of sd-jwt's own issuer, with decoys, shown by its own holder."""
    issuer, holder = (JWK.generate(kty="EC", crv="P-256") for _ in range(2))
    claims = {"iss": asked["iss"], "vct": asked["vct"], "iat": asked["now"] - 100, "exp": asked["now"] + 900}
    for name, value in asked["claims"].items():
        claims[SDObj(name)] = value
    issued = SDJWTIssuer(
        claims, issuer, holder, add_decoy_claims=True, extra_header_parameters={"typ": "dc+sd-jwt"}
    ).sd_jwt_issuance
    shown = SDJWTHolder(issued)
    shown.create_presentation({name: True for name in asked["shown"]}, asked["nonce"], asked["aud"], holder)
    return {"issuer": json.loads(issuer.export_public()), "presentation": shown.sd_jwt_presentation}


def verify(asked):
    """What sd-jwt reads in a presentation of ours."""
    key = JWK(**asked["issuer"])
    read = SDJWTVerifier(asked["presentation"], lambda _iss, _header: key, asked["aud"], asked["nonce"])
    return {"claims": read.get_verified_payload()}


def mdoc(asked):
    """Whether pymdoccbor believes the issuer of an mdoc of ours, and each element."""
    read = MdocCbor()
    read.loads(binascii.unhexlify(asked["response"]))
    root = x509.load_der_x509_certificate(binascii.unhexlify(asked["root"]))
    return {"valid": read.verify(trusted_root_certs=[root]), "documents": len(read.documents)}


if __name__ == "__main__":
    question = json.load(sys.stdin)
    try:
        answer = {"issue": issue, "verify": verify, "mdoc": mdoc}[sys.argv[1]](question)
    except Exception as why:  # whatever a library says
        answer = {"refused": f"{type(why).__name__}: {why}"}
    json.dump(answer, sys.stdout)
