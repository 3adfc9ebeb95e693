//! An authorization from the request to the grant. It is no page: a face asks the person and dresses the result.

pub mod complete;
pub mod consent;
pub mod delivery;
pub mod pushed;
pub mod request;
