//! What answers a row. Where a program calls, the row's caller is identified here, and the endpoint gets who that is. So none can forget to
//! ask. A browser's cookie is read by the endpoint, which alone knows what it counts for.

use super::{held_token, registration};
use crate::app::App;
use crate::caller::{Caller, ClientOrApi};
use crate::error::{Refused, Result};
use crate::grants::Grant;
use crate::registration::Own;
use crate::tokens::issue::Accepted;
use crate::web::reply::Reply;
use crate::web::request::Incoming;
use crate::web::route;
use std::pin::Pin;

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
    Client(CallerEndpoint<Caller>),
    /// It gets the API's name.
    Api(CallerEndpoint<String>),
    ClientOrApi(CallerEndpoint<ClientOrApi>),
    Token(CallerEndpoint<(Accepted, Grant)>),
    Registration(CallerEndpoint<Own>),
}

impl Handler {
    /// Is this the handler of a row with that caller?
    pub const fn is_for(&self, caller: route::Caller) -> bool {
        match self {
            Self::Plain(_) => matches!(caller, route::Caller::Anyone | route::Caller::Session | route::Caller::SignIn),
            Self::Client(_) => matches!(caller, route::Caller::Client),
            Self::Api(_) => matches!(caller, route::Caller::Api),
            Self::ClientOrApi(_) => matches!(caller, route::Caller::ClientOrApi),
            Self::Token(_) => matches!(caller, route::Caller::Token),
            Self::Registration(_) => matches!(caller, route::Caller::Registration),
        }
    }

    /// Identifies the caller, then answers.
    pub fn answer<'a>(&self, app: &'a App, incoming: &'a Incoming) -> AnswerFuture<'a> {
        match *self {
            Self::Plain(answer) => answer(app, incoming),
            Self::Client(answer) => Box::pin(async move {
                let caller = app.callers.identify(app, incoming).await?;
                answer(app, incoming, caller).await
            }),
            Self::Api(answer) => Box::pin(async move {
                let name = app.callers.api(app, incoming).await?.ok_or_else(no_api)?;
                answer(app, incoming, name).await
            }),
            Self::ClientOrApi(answer) => Box::pin(async move {
                let caller = app.callers.client_or_api(app, incoming).await?;
                answer(app, incoming, caller).await
            }),
            Self::Token(answer) => Box::pin(async move {
                let held = held_token::of_request(app, incoming).await?;
                answer(app, incoming, held).await
            }),
            Self::Registration(answer) => Box::pin(async move {
                let own = registration::own_of_request(app, incoming).await?;
                answer(app, incoming, own).await
            }),
        }
    }
}

fn no_api() -> Refused {
    Refused::new(401, "invalid_client", "Only an API may ask here: send its name and introspection secret by HTTP Basic.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::reply;

    /// `routes::row` and its siblings ask this when they are compiled.
    #[test]
    fn a_handler_is_for_rows_of_its_caller() {
        let all = [
            Handler::Plain(|_, _| Box::pin(async { Ok(reply::empty(204)) })),
            Handler::Client(|_, _, _| Box::pin(async { Ok(reply::empty(204)) })),
            Handler::Api(|_, _, _| Box::pin(async { Ok(reply::empty(204)) })),
            Handler::ClientOrApi(|_, _, _| Box::pin(async { Ok(reply::empty(204)) })),
            Handler::Token(|_, _, _| Box::pin(async { Ok(reply::empty(204)) })),
            Handler::Registration(|_, _, _| Box::pin(async { Ok(reply::empty(204)) })),
        ];
        for (caller, wanted) in [
            (route::Caller::Anyone, 0),
            (route::Caller::Session, 0),
            (route::Caller::SignIn, 0),
            (route::Caller::Client, 1),
            (route::Caller::Api, 2),
            (route::Caller::ClientOrApi, 3),
            (route::Caller::Token, 4),
            (route::Caller::Registration, 5),
        ] {
            for (at, handler) in all.iter().enumerate() {
                assert_eq!(handler.is_for(caller), at == wanted, "{caller:?} {at}");
            }
        }
    }
}
