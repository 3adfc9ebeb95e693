//! Evidence of our own making: good, but for the lie that a test asks for.
#![allow(dead_code, reason = "each test takes what it needs")]

pub mod android;
pub mod apple;
