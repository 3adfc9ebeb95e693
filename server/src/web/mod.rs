//! HTTP without endpoints: requests, answers, what a route says, and the certificate behind a connection. Knows no page and no application.

pub mod body;
pub mod certificate;
pub mod country;
pub mod embedded;
pub mod headers;
pub mod reply;
pub mod request;
pub mod route;
