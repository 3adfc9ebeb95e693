//! An authorization from the request to the grant. It is no page: a face asks the person and dresses the result.

pub mod backchannel;
pub mod backchannel_answer;
pub mod backchannel_code;
mod backchannel_person;
pub mod backchannel_words;
pub mod binding;
pub mod coming_back;
pub mod complete;
pub mod consent;
pub mod continuing;
pub mod delivery;
pub mod detour;
pub mod device;
pub mod device_answer;
pub mod handover;
pub mod native;
pub mod not_mine;
pub mod pushed;
pub mod redirects;
pub mod request;
pub mod settle;
mod signed_in;
mod signed_request;

use crate::core::Core;
use crate::grants::details::Types;
use std::ops::Deref;

/// What an authorization is judged with.
#[derive(Clone, Copy)]
pub struct Authority<'a> {
    pub core: &'a Core,
    pub details: &'a Types,
}

impl Deref for Authority<'_> {
    type Target = Core;

    fn deref(&self) -> &Core {
        self.core
    }
}
