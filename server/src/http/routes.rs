//! The route table: an endpoint is one row here and one file. What the fields of a row mean is said in `web::route`.
//!
//! Where a program calls, `http/mod.rs` identifies the row's caller, and the endpoint gets who that is. So none can forget to ask. A
//! browser's cookie is read by the endpoint, which alone knows what it counts for.

use crate::app::App;
use crate::attesting::{attester, challenge};
use crate::caller::{self, ClientOrApi};
use crate::error::Result;
use crate::grants::Grant;
use crate::http::{
    account, approvals, assets, authorize, authorize_challenge, backchannel_authentication, continue_page, device, device_authorization,
    endings, handover, introspect, kiosk, links, login, login_begin, login_page, logout, metadata, par, pending, pending_device, plugin,
    registration, revoke, stop, token, upstream, upstream_events, upstream_logout, upstream_sign_out, userinfo, wallet, well_known,
};
use crate::links::files::Platform;
use crate::login::journey::Journey;
use crate::registration::Own;
use crate::tokens::issue::Accepted;
use crate::web::body::{BODY_LIMIT, Takes};
use crate::web::reply::Reply;
use crate::web::request::Incoming;
use crate::web::route::{Caller, Dpop, FormToken, PathParameters, Route, Router, Sender, ServedAt, Writes};
use http::Method;
use std::pin::Pin;
use std::sync::LazyLock;

/// Boxed, so that one rare large future does not grow every request.
pub type AnswerFuture<'a> = Pin<Box<dyn Future<Output = Result<Reply>> + Send + 'a>>;
/// What an endpoint does for anybody.
pub type PlainEndpoint = for<'a> fn(&'a App, &'a Incoming) -> AnswerFuture<'a>;
/// What it does for this caller.
pub type CallerEndpoint<C> = for<'a> fn(&'a App, &'a Incoming, C) -> AnswerFuture<'a>;

/// An endpoint, by what it has to be given.
pub enum Handler {
    /// Of anybody, or of browsers.
    Plain(PlainEndpoint),
    Client(CallerEndpoint<caller::Caller>),
    /// It gets the API's name.
    Api(CallerEndpoint<String>),
    ClientOrApi(CallerEndpoint<ClientOrApi>),
    Token(CallerEndpoint<(Accepted, Grant)>),
    Registration(CallerEndpoint<Own>),
}

impl Handler {
    /// Is this the handler of a row with that caller?
    pub const fn is_for(&self, caller: Caller) -> bool {
        match self {
            Self::Plain(_) => matches!(caller, Caller::Anyone | Caller::Session | Caller::SignIn),
            Self::Client(_) => matches!(caller, Caller::Client),
            Self::Api(_) => matches!(caller, Caller::Api),
            Self::ClientOrApi(_) => matches!(caller, Caller::ClientOrApi),
            Self::Token(_) => matches!(caller, Caller::Token),
            Self::Registration(_) => matches!(caller, Caller::Registration),
        }
    }
}

pub struct Row {
    pub route: Route,
    pub handler: Handler,
}

/// The compiler runs this: a row that says another caller than its handler is given does not compile.
const fn made(route: Route, handler: Handler) -> Row {
    assert!(handler.is_for(route.caller), "the row says another caller than its handler is given");
    Row { route, handler }
}

const fn row(route: Route, endpoint: PlainEndpoint) -> Row {
    made(route, Handler::Plain(endpoint))
}

const fn of_client(route: Route, endpoint: CallerEndpoint<caller::Caller>) -> Row {
    made(route, Handler::Client(endpoint))
}

const fn of_api(route: Route, endpoint: CallerEndpoint<String>) -> Row {
    made(route, Handler::Api(endpoint))
}

const fn of_client_or_api(route: Route, endpoint: CallerEndpoint<ClientOrApi>) -> Row {
    made(route, Handler::ClientOrApi(endpoint))
}

const fn of_token(route: Route, endpoint: CallerEndpoint<(Accepted, Grant)>) -> Row {
    made(route, Handler::Token(endpoint))
}

const fn of_registration(route: Route, endpoint: CallerEndpoint<Own>) -> Row {
    made(route, Handler::Registration(endpoint))
}

const GET: &[Method] = &[Method::GET];
const POST: &[Method] = &[Method::POST];
const GET_PUT_DELETE: &[Method] = &[Method::GET, Method::PUT, Method::DELETE];
const GET_POST: &[Method] = &[Method::GET, Method::POST];

/// A document that anybody may read.
const DOCUMENT: Route = Route {
    path: "",
    methods: GET,
    body: Takes::Nothing,
    body_bytes: BODY_LIMIT,
    from: Sender::App,
    caller: Caller::Anyone,
    dpop: Dpop::No,
    form: FormToken::None,
    writes: Writes::Nothing,
    cors: true,
    issues_tokens: false,
    event: "request_refused",
    metadata: None,
    served_at: ServedAt::Issuer,
};
/// A document of the host that is asked.
const FILE: Route = Route { served_at: ServedAt::EveryHost, ..DOCUMENT };
/// A request of a client's, or of anybody's; no script of another origin reads the answer.
const CALL: Route = Route { methods: POST, body: Takes::Form, caller: Caller::Client, cors: false, ..DOCUMENT };
/// A page that begins a sign-in.
const PAGE: Route = Route { from: Sender::Browser, writes: Writes::SignIn, cors: false, ..DOCUMENT };

/// In the order of their paths, as docs/specs.md has them.
pub static ROWS: &[Row] = &[
    row(Route { path: "/", writes: Writes::Nothing, ..PAGE }, |app, incoming| Box::pin(async move { metadata::home(app, incoming) })),
    row(Route { path: "/.well-known/apple-app-site-association", ..FILE }, |app, incoming| {
        Box::pin(async move { links::file(app, incoming, Platform::Apple) })
    }),
    row(Route { path: "/.well-known/assetlinks.json", ..FILE }, |app, incoming| {
        Box::pin(async move { links::file(app, incoming, Platform::Android) })
    }),
    row(Route { path: "/.well-known/change-password", served_at: ServedAt::Origin, writes: Writes::Nothing, ..PAGE }, |app, _| {
        Box::pin(async move { Ok(well_known::change_password(app)) })
    }),
    row(Route { path: "/.well-known/oauth-authorization-server", ..DOCUMENT }, |app, _| Box::pin(async move { Ok(document(app)) })),
    row(Route { path: "/.well-known/openid-configuration", ..DOCUMENT }, |app, _| Box::pin(async move { Ok(document(app)) })),
    row(Route { path: "/.well-known/webauthn", ..DOCUMENT }, |app, _| Box::pin(async move { well_known::webauthn(app) })),
    row(
        Route {
            path: "/account",
            methods: GET_POST,
            body: Takes::Form,
            from: Sender::OurPages,
            caller: Caller::Session,
            form: FormToken::Token(&[]),
            writes: Writes::IdleTime,
            ..PAGE
        },
        |app, incoming| Box::pin(account::account(app, incoming)),
    ),
    row(Route { path: "/account/password", caller: Caller::Session, ..PAGE }, |app, incoming| {
        Box::pin(account::change_password(app, incoming))
    }),
    row(Route { path: "/approvals", caller: Caller::Session, event: "approval_refused", ..PAGE }, |app, incoming| {
        Box::pin(approvals::approvals(app, incoming))
    }),
    row(Route { path: "/assets/{name}", writes: Writes::Nothing, ..PAGE }, |app, incoming| {
        Box::pin(async move { assets::asset(app, incoming) })
    }),
    row(
        Route { path: "/attest", caller: Caller::Anyone, dpop: Dpop::Requires, metadata: Some("evidence_endpoint"), ..CALL },
        |app, incoming| Box::pin(attester::attest(&app.callers.attesting, app, incoming)),
    ),
    row(
        Route {
            path: "/attest/challenge",
            caller: Caller::Anyone,
            dpop: Dpop::Takes,
            metadata: Some("evidence_challenge_endpoint"),
            ..CALL
        },
        |app, incoming| Box::pin(attester::challenge(app, incoming)),
    ),
    row(
        Route {
            path: "/authorize",
            methods: GET_POST,
            body: Takes::Form,
            caller: Caller::Session,
            form: FormToken::AsGet,
            writes: Writes::Code,
            metadata: Some("authorization_endpoint"),
            ..PAGE
        },
        |app, incoming| Box::pin(authorize::authorize(app, incoming)),
    ),
    of_client(
        Route {
            path: "/authorize-challenge",
            from: Sender::NativeApp,
            dpop: Dpop::Takes,
            event: "native_sign_in_refused",
            metadata: Some("authorization_challenge_endpoint"),
            ..CALL
        },
        |app, incoming, caller| Box::pin(async move { authorize_challenge::challenge(app, incoming, &caller).await }),
    ),
    of_client(
        Route {
            path: "/backchannel_authentication",
            dpop: Dpop::Takes,
            event: "backchannel_refused",
            metadata: Some("backchannel_authentication_endpoint"),
            ..CALL
        },
        |app, incoming, caller| Box::pin(async move { backchannel_authentication::start(app, incoming, &caller).await }),
    ),
    row(Route { path: "/c/{reference}", served_at: ServedAt::ContinueHosts, writes: Writes::Binding, ..PAGE }, |app, incoming| {
        Box::pin(continue_page::page(app, incoming))
    }),
    row(
        Route {
            path: "/challenge",
            body: Takes::FormOrNothing,
            caller: Caller::Anyone,
            cors: true,
            metadata: Some("challenge_endpoint"),
            ..CALL
        },
        |app, incoming| Box::pin(async move { Ok(challenge::challenge_endpoint(app, incoming)) }),
    ),
    row(
        Route {
            path: "/clients",
            methods: POST,
            body: Takes::Json,
            event: "client_registration_refused",
            metadata: Some("registration_endpoint"),
            ..DOCUMENT
        },
        |app, incoming| Box::pin(registration::register(app, incoming)),
    ),
    of_registration(
        Route {
            path: "/clients/{id}",
            methods: GET_PUT_DELETE,
            body: Takes::Json,
            caller: Caller::Registration,
            event: "client_registration_refused",
            ..DOCUMENT
        },
        |app, incoming, own| Box::pin(registration::manage(app, incoming, own)),
    ),
    row(
        Route {
            path: "/device",
            methods: GET_POST,
            body: Takes::Form,
            caller: Caller::Session,
            form: FormToken::AsGet,
            event: "device_code_refused",
            ..PAGE
        },
        |app, incoming| Box::pin(device::device(app, incoming)),
    ),
    of_client(
        Route {
            path: "/device_authorization",
            dpop: Dpop::Takes,
            cors: true,
            event: "device_request_refused",
            metadata: Some("device_authorization_endpoint"),
            ..CALL
        },
        |app, incoming, caller| Box::pin(async move { device_authorization::start(app, incoming, &caller).await }),
    ),
    of_api(
        Route {
            path: "/endings",
            body: Takes::FormOrNothing,
            from: Sender::Server,
            caller: Caller::Api,
            event: "endings_refused",
            metadata: Some("endings_endpoint"),
            ..CALL
        },
        |app, incoming, name| Box::pin(async move { endings::endings(app, incoming, &name).await }),
    ),
    row(Route { path: "/favicon.ico", served_at: ServedAt::Origin, writes: Writes::Nothing, ..PAGE }, |app, _| {
        Box::pin(async move { Ok(well_known::favicon(app)) })
    }),
    of_token(
        Route {
            path: "/handover",
            caller: Caller::Token,
            dpop: Dpop::Takes,
            event: "handover_refused",
            metadata: Some("handover_endpoint"),
            ..CALL
        },
        |app, incoming, held| Box::pin(handover::issue(app, held, incoming.now_ms)),
    ),
    row(
        Route {
            path: "/handover/{ticket}",
            methods: GET_POST,
            body: Takes::Form,
            from: Sender::OurPages,
            caller: Caller::SignIn,
            form: FormToken::Token(&[]),
            writes: Writes::Binding,
            event: "handover_refused",
            ..PAGE
        },
        |app, incoming| Box::pin(handover::page(app, incoming)),
    ),
    row(Route { path: "/health", served_at: ServedAt::Origin, from: Sender::Server, cors: false, ..DOCUMENT }, |app, _| {
        Box::pin(metadata::health(app))
    }),
    of_client_or_api(
        Route {
            path: "/introspect",
            from: Sender::Server,
            caller: Caller::ClientOrApi,
            event: "introspection_refused",
            metadata: Some("introspection_endpoint"),
            ..CALL
        },
        |app, incoming, caller| Box::pin(introspect::introspect(app, incoming, caller)),
    ),
    row(Route { path: "/jwks", metadata: Some("jwks_uri"), ..DOCUMENT }, |app, incoming| {
        Box::pin(async move { Ok(metadata::jwks(app, incoming.now_ms)) })
    }),
    of_client(
        Route {
            path: "/kiosk/challenge",
            dpop: Dpop::Takes,
            event: "kiosk_challenge_refused",
            metadata: Some("kiosk_challenge_endpoint"),
            ..CALL
        },
        |app, incoming, caller| Box::pin(async move { kiosk::challenge(app, incoming.now_ms, &caller) }),
    ),
    row(
        Route {
            path: "/login",
            methods: POST,
            body: Takes::Form,
            from: Sender::OurPages,
            caller: Caller::SignIn,
            form: FormToken::Token(&["handle", "locale"]),
            writes: Writes::Nothing,
            ..PAGE
        },
        |app, incoming| Box::pin(login::answer_first(app, incoming)),
    ),
    row(
        Route {
            path: "/login/{address}",
            methods: GET_POST,
            body: Takes::Form,
            from: Sender::OurPages,
            caller: Caller::SignIn,
            form: FormToken::Token(&["version", "locale"]),
            writes: Writes::Answer,
            ..PAGE
        },
        |app, incoming| Box::pin(login_page::page(app, incoming)),
    ),
    row(
        Route {
            path: "/logout",
            methods: GET_POST,
            body: Takes::Form,
            caller: Caller::Session,
            form: FormToken::Token(&["client_id", "id_token_hint", "post_logout_redirect_uri", "state", "ui_locales"]),
            writes: Writes::EndOfSession,
            metadata: Some("end_session_endpoint"),
            ..PAGE
        },
        |app, incoming| Box::pin(logout::logout(app, incoming)),
    ),
    of_client(
        Route {
            path: "/par",
            dpop: Dpop::Takes,
            cors: true,
            event: "push_refused",
            metadata: Some("pushed_authorization_request_endpoint"),
            ..CALL
        },
        |app, incoming, caller| Box::pin(async move { par::par(app, incoming, &caller).await }),
    ),
    of_token(
        Route {
            path: "/pending",
            methods: GET_POST,
            caller: Caller::Token,
            dpop: Dpop::Takes,
            event: "approval_refused",
            metadata: Some("pending_requests_endpoint"),
            ..CALL
        },
        |app, incoming, held| Box::pin(pending::pending(app, incoming, held)),
    ),
    of_token(
        Route {
            path: "/pending/device",
            caller: Caller::Token,
            dpop: Dpop::Takes,
            event: "approval_refused",
            metadata: Some("pending_devices_endpoint"),
            ..CALL
        },
        |app, incoming, held| Box::pin(pending_device::device(app, incoming, held)),
    ),
    row(Route { path: "/plugin/{name}/return", caller: Caller::SignIn, writes: Writes::Return, ..PAGE }, |app, incoming| {
        Box::pin(plugin::come_back(app, incoming))
    }),
    row(Route { path: "/register", ..PAGE }, |app, incoming| {
        Box::pin(login_begin::own(app, incoming, Journey::Register { draft: None }, None))
    }),
    row(Route { path: "/reset", ..PAGE }, |app, incoming| Box::pin(login_begin::own(app, incoming, Journey::Reset, None))),
    of_client(
        Route {
            path: "/revoke",
            dpop: Dpop::Takes,
            cors: true,
            event: "revocation_refused",
            metadata: Some("revocation_endpoint"),
            ..CALL
        },
        |app, incoming, caller| Box::pin(async move { revoke::revoke(app, incoming, &caller).await }),
    ),
    row(Route { path: "/robots.txt", served_at: ServedAt::Origin, writes: Writes::Nothing, ..PAGE }, |_, _| {
        Box::pin(async move { Ok(well_known::robots()) })
    }),
    row(Route { path: "/stop/{token}", methods: GET_POST, body: Takes::Form, writes: Writes::Nothing, ..PAGE }, |app, incoming| {
        Box::pin(stop::stop(app, incoming))
    }),
    of_client(
        Route {
            path: "/token",
            dpop: Dpop::Takes,
            cors: true,
            issues_tokens: true,
            event: "token_refused",
            metadata: Some("token_endpoint"),
            ..CALL
        },
        |app, incoming, caller| Box::pin(async move { token::token(app, incoming, &caller).await }),
    ),
    row(
        Route {
            path: "/upstream/{name}/backchannel-logout",
            from: Sender::Server,
            caller: Caller::Anyone,
            event: "provider_logout_refused",
            ..CALL
        },
        |app, incoming| Box::pin(upstream_logout::sign_out(app, incoming)),
    ),
    row(
        Route {
            path: "/upstream/{name}/callback",
            methods: GET_POST,
            body: Takes::Form,
            caller: Caller::SignIn,
            form: FormToken::AsGet,
            writes: Writes::Return,
            ..PAGE
        },
        |app, incoming| Box::pin(upstream::callback(app, incoming)),
    ),
    row(
        Route {
            path: "/upstream/{name}/events",
            body: Takes::Json,
            from: Sender::Server,
            caller: Caller::Anyone,
            event: "provider_event_refused",
            ..CALL
        },
        |app, incoming| Box::pin(upstream_events::event(app, incoming)),
    ),
    row(Route { path: "/upstream/{name}/jwks", from: Sender::Server, cors: false, ..DOCUMENT }, |app, incoming| {
        Box::pin(async move { upstream::keys(app, incoming) })
    }),
    row(Route { path: "/upstream/{name}/sign-out", writes: Writes::Nothing, ..PAGE }, |app, incoming| {
        Box::pin(upstream_sign_out::leave(app, incoming))
    }),
    row(Route { path: "/upstream/{name}/signed-out", writes: Writes::Nothing, ..PAGE }, |app, incoming| {
        Box::pin(async move { upstream_sign_out::returned(app, incoming) })
    }),
    of_token(
        Route {
            path: "/userinfo",
            methods: GET_POST,
            body: Takes::FormOrNothing,
            caller: Caller::Token,
            dpop: Dpop::Takes,
            cors: true,
            metadata: Some("userinfo_endpoint"),
            ..CALL
        },
        |app, _, held| Box::pin(userinfo::userinfo(app, held)),
    ),
    row(
        Route { path: "/wallet/{name}/request/{handle}", methods: GET_POST, caller: Caller::Anyone, event: "wallet_refused", ..CALL },
        |app, incoming| Box::pin(wallet::request(app, incoming)),
    ),
    row(
        Route {
            path: "/wallet/{name}/response/{handle}",
            body_bytes: wallet::ANSWER_LIMIT,
            caller: Caller::Anyone,
            event: "wallet_refused",
            ..CALL
        },
        |app, incoming| Box::pin(wallet::response(app, incoming)),
    ),
    row(Route { path: "/wallet/{name}/return", caller: Caller::SignIn, writes: Writes::Return, ..PAGE }, |app, incoming| {
        Box::pin(wallet::come_back(app, incoming))
    }),
    row(
        Route { path: "/wallet/{name}/stop", methods: POST, body: Takes::Form, writes: Writes::Nothing, event: "wallet_refused", ..PAGE },
        |app, incoming| Box::pin(wallet::stop(app, incoming)),
    ),
];

static ROUTER: LazyLock<Router<Row>> = LazyLock::new(|| Router::new(ROWS, |row| row.route.path));

pub fn find(path: &str) -> Option<(&'static Row, PathParameters)> {
    ROUTER.find(path)
}

fn document(app: &App) -> Reply {
    metadata::metadata(app, ROWS.iter().map(|row| &row.route))
}

#[cfg(test)]
mod tests;
