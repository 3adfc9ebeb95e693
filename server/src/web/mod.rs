//! HTTP without endpoints: requests, answers, and the certificate behind a connection. Knows no page and no application.

pub mod body;
pub mod certificate;
pub mod reply;
pub mod request;
