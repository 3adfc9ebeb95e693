//! Which handler is for which row.

use super::{Caller, Handler};
use crate::web::reply;

/// `row` and its siblings ask this when they are compiled.
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
        (Caller::Anyone, 0),
        (Caller::Session, 0),
        (Caller::SignIn, 0),
        (Caller::Client, 1),
        (Caller::Api, 2),
        (Caller::ClientOrApi, 3),
        (Caller::Token, 4),
        (Caller::Registration, 5),
    ] {
        for (at, handler) in all.iter().enumerate() {
            assert_eq!(handler.is_for(caller), at == wanted, "{caller:?} {at}");
        }
    }
}
