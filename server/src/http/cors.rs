//! What scripts of other origins may do (Fetch, CORS protocol). The row of an endpoint decides; no cookie is ever in play (039-R).

use super::reply::{self, Reply};
use crate::web::route::Route;
use http::header;

/// Headers that a script may send: those of our endpoints, and those with which tracing tools mark every request.
const SENT: &str = "Authorization, Content-Type, DPoP, OAuth-Client-Attestation, OAuth-Client-Attestation-PoP, traceparent, tracestate, \
    baggage, b3, sentry-trace, X-B3-TraceId, X-B3-SpanId, X-B3-ParentSpanId, X-B3-Sampled, X-Request-ID, X-Correlation-ID, *";
/// Headers that a script may read.
const READ: &str = "WWW-Authenticate, DPoP-Nonce, Retry-After, OAuth-Client-Attestation-Challenge, X-Request-ID";

/// The answer to a browser that asks before a script sends its request.
pub fn preflight(route: &Route) -> Reply {
    let mut reply = reply::empty(204);
    reply::set(&mut reply, header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    reply::set(&mut reply, header::ACCESS_CONTROL_ALLOW_METHODS, &route.allow());
    reply::set(&mut reply, header::ACCESS_CONTROL_ALLOW_HEADERS, SENT);
    reply::set(&mut reply, header::ACCESS_CONTROL_MAX_AGE, "3600");
    reply
}

/// Lets a script read the answer, a refusal too: else its developer sees nothing but a network error.
pub fn allow_reading(route: &Route, reply: &mut Reply) {
    if route.cors {
        reply::set(reply, header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
        reply::set(reply, header::ACCESS_CONTROL_EXPOSE_HEADERS, READ);
    }
}
