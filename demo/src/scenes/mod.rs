//! The scenes. Each has one file with its name, what it is about, and its acts. No scene needs another one.

mod android_lies;
mod app_to_web;
mod asked_to_approve;
mod bearer_app;
#[cfg(feature = "plugins")]
mod branch_visit;
mod by_email;
mod call_centre;
mod ended_session;
#[cfg(feature = "plugins")]
mod entitlements;
mod fresh_evidence;
mod genuine_app;
mod guard;
mod impersonation;
#[cfg(feature = "plugins")]
mod impossible_travel;
mod iphone_lies;
mod kiosk;
mod kiosk_confirm;
mod kiosk_relay;
mod known_device;
mod lost_answers;
mod lost_phone;
mod moved_people;
mod native_attacks;
mod native_sign_in;
mod native_step_up;
mod new_factor;
mod next_api;
mod no_password;
mod own_account;
mod passkeys;
mod payment;
mod registered_app;
mod sign_in;
mod social;
mod social_tokens;
mod step_up;
mod stolen_code;
mod stolen_tokens;
mod television;
mod television_app;
mod tiers;
mod two_apps;
mod wallet;
mod wallet_app;
mod web_only;
mod wrong_tokens;

use crate::stage::Stage;
use std::pin::Pin;
use symbolon_phone::Trouble;

pub const ORDERS: &str = "https://api.example.com/orders";
pub const LEDGER: &str = "https://api.example.com/ledger";
pub const BLINK: &str = "https://api.example.com/blink";

/// The acts of a scene, as they are played.
pub type Playing<'a> = Pin<Box<dyn Future<Output = Result<(), Trouble>> + Send + 'a>>;

pub struct Scene {
    /// For `--scene NAME`.
    pub name: &'static str,
    /// One line for `--list`.
    pub about: &'static str,
    /// Is it played when nobody asks for more?
    pub in_story: bool,
    /// What the scene adds to demo.toml: its own clients, policies and APIs.
    pub config: &'static str,
    pub acts: for<'a> fn(&'a mut Stage) -> Playing<'a>,
}

/// All scenes in the order in which they are played. The first ones tell the story.
pub const SCENES: &[Scene] = &[
    sign_in::SCENE,
    stolen_tokens::SCENE,
    lost_answers::SCENE,
    genuine_app::SCENE,
    native_sign_in::SCENE,
    native_attacks::SCENE,
    web_only::SCENE,
    passkeys::SCENE,
    no_password::SCENE,
    lost_phone::SCENE,
    own_account::SCENE,
    native_step_up::SCENE,
    known_device::SCENE,
    stolen_code::SCENE,
    wrong_tokens::SCENE,
    social::SCENE,
    social_tokens::SCENE,
    guard::SCENE,
    wallet::SCENE,
    wallet_app::SCENE,
    bearer_app::SCENE,
    by_email::SCENE,
    next_api::SCENE,
    step_up::SCENE,
    new_factor::SCENE,
    payment::SCENE,
    ended_session::SCENE,
    television::SCENE,
    television_app::SCENE,
    kiosk::SCENE,
    kiosk_confirm::SCENE,
    kiosk_relay::SCENE,
    call_centre::SCENE,
    two_apps::SCENE,
    app_to_web::SCENE,
    asked_to_approve::SCENE,
    fresh_evidence::SCENE,
    tiers::SCENE,
    android_lies::SCENE,
    iphone_lies::SCENE,
    moved_people::SCENE,
    impersonation::SCENE,
    registered_app::SCENE,
    #[cfg(feature = "plugins")]
    branch_visit::SCENE,
    #[cfg(feature = "plugins")]
    entitlements::SCENE,
    #[cfg(feature = "plugins")]
    impossible_travel::SCENE,
];
