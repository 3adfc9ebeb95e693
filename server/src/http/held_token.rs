//! Who calls with an access token: the token is alive, came in the header alone, and with a proof of the key that it is bound to. RFC 6750 2.1,
//! RFC 9449 7, RFC 8705 3. For endpoints of our own, which are resources like any API.

use super::reply::NO_TOKEN;
use crate::app::App;
use crate::dpop;
use crate::error::{Error, Refused, Result};
use crate::grants::Grant;
use crate::store::{Change, NotApplied};
use crate::tokens::issue::{self, Accepted};
use crate::web::certificate::ShownCertificates;
use crate::web::request::Incoming;
use symbolon_oauth::access_token::{AccessToken, Confirmation};

pub fn invalid(hint: &'static str) -> Refused {
    Refused::new(401, "invalid_token", hint)
}

/// The token of a request, with the person's grant. It must be for this server itself: a token made for an API does not open us (220-J).
pub async fn of_request(app: &App, incoming: &Incoming) -> Result<(Accepted, Grant)> {
    let no_token = || Refused::new(401, NO_TOKEN, "Send the access token in the Authorization header, as Bearer or DPoP.");
    if incoming.query.contains("access_token") || incoming.form.contains("access_token") {
        return Err(Refused::bad_request("invalid_request", "Send the access token in the Authorization header only.").into());
    }
    let header = match incoming.headers.get_all("authorization").iter().count() {
        0 => return Err(no_token().into()),
        1 => incoming.header("authorization").unwrap_or_default(),
        _ => return Err(Refused::bad_request("invalid_request", "There is more than one Authorization header.").into()),
    };
    let (scheme, token) = header.split_once(' ').unwrap_or(("", ""));
    let with_key = scheme.eq_ignore_ascii_case("dpop");
    if !with_key && !scheme.eq_ignore_ascii_case("bearer") {
        return Err(no_token().because("another scheme than Bearer or DPoP").into());
    }
    let accepted = issue::accept(app, token, incoming.now_ms).await?;
    let accepted = accepted.ok_or_else(|| invalid("The access token is unknown, expired or ended."))?;
    // In wrong hands too it is a token of ours: a refusal has its entry.
    let _ = incoming.known.client.set(accepted.token.client_id.to_string());
    if let Some(grant) = &accepted.grant {
        let _ = incoming.known.account.set(grant.account.clone());
    }
    must_hold_key(app, incoming, with_key.then_some(token), &accepted.token).await?;
    let Some(grant) = accepted.grant.clone() else { return Err(invalid("This token speaks for no person.").into()) };
    if accepted.token.aud != app.config.issuer {
        let hint = "This token is for an API. Ask for one with resource set to the issuer.";
        return Err(invalid(hint).because(accepted.token.aud).into());
    }
    Ok((accepted, grant))
}

/// RFC 9449 7: a bound token comes with a proof of its key and under the DPoP scheme, an unbound one never does.
/// `token`: the token, if it came under that scheme.
async fn must_hold_key(app: &App, incoming: &Incoming, token: Option<&str>, access: &AccessToken<'_>) -> Result<()> {
    let (bound, certificate) = match &access.cnf {
        None => (None, None),
        Some(Confirmation::Known { jkt, certificate }) => (jkt.as_deref(), certificate.as_deref()),
        Some(Confirmation::Unknown(_)) => return Err(invalid("This token is bound in a way that is not checked here.").into()),
    };
    if certificate.is_some() && incoming.certificate.as_ref().map(ShownCertificates::thumbprint).as_deref() != certificate {
        return Err(invalid("This token is bound to a client certificate that the request does not show.").into());
    }
    let (Some(token), Some(jkt)) = (token, bound) else {
        return match (token, bound) {
            (None, None) => Ok(()),
            (None, Some(_)) => Err(invalid("This token is bound to a key: send it as DPoP with a proof.").into()),
            _ => Err(invalid("This token is not bound to a key: send it as Bearer.").into()),
        };
    };
    let at_resource = |error| match error {
        Error::Refused(refused) => Error::from(Refused { status: 401, ..*refused }),
        fault => fault,
    };
    let proof = dpop::of_request(app, incoming, Some(token)).map_err(at_resource)?;
    let proof = proof.ok_or_else(|| Refused::new(401, "invalid_dpop_proof", "The DPoP header is missing."))?;
    if proof.jkt != jkt {
        return Err(invalid("The proof is of another key than the token is bound to.").into());
    }
    let mut change = Change::new(incoming.now_ms);
    proof.burn(&mut change);
    match app.store.apply(change).await {
        Ok(_) => Ok(()),
        Err(NotApplied::Conflict(_)) => Err(Refused { status: 401, ..dpop::use_nonce() }.because("this proof was used before").into()),
        Err(other) => Err(other.into()),
    }
}
