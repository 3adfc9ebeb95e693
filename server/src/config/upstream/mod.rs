//! `[upstream.NAME]`: providers whose accounts people may sign in with. Each is the login method `upstream:NAME`.

mod mapping;
mod names;
mod preset;
mod release;
mod rules;
mod section;
mod table;
pub mod words;

pub use mapping::{Elsewhere, Mapping, Type, Update};
pub use names::of_tenant;
pub use preset::{ANY_TENANT, CONSUMERS, CONSUMERS_ID, Preset, SHARED_TENANTS, is_tenant_id};
pub(super) use release::problems as release_problems;
pub(super) use rules::problems;
pub(super) use section::SECTION;
pub use table::Upstream;
pub use words::{Formerly, Linking, Newcomers, NonceRule, OnLogout, Prompt, Protocol, Release, RepeatedCheck, SecretSentBy, Subjects};
