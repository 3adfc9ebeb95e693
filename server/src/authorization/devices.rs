//! On which device a person signed in. It is known from then on, and the person hears of one that was not known before (W-57). Every sign-in
//! that opens something comes by here: an app's, and one of our own pages.

use super::complete::OpenedSession;
use super::settle::Settling;
use crate::error::Result;
use crate::login::context::{Device, Face};
use crate::login::flow::{Moved, Proven};
use crate::login::known_devices::{self, SeenDevice};
use crate::login::{ending, notices};
use crate::mail;
use crate::store::Change;

impl Settling<'_> {
    pub(super) async fn note_device(&self, moved: &Moved, change: &mut Change, proven: &Proven, opened: &OpenedSession<'_>) -> Result<()> {
        if !self.machine.remembers_devices() || moved.forgets_device() {
            return Ok(());
        }
        let (name, may_count) = match (self.visitor.device, self.visitor.face, opened.cookie) {
            (Some(Device::Installation { client, jkt }), _, _) => (known_devices::installation(client, jkt), true),
            (_, Face::Browser, Some(cookie)) => (self.machine.browser_name(cookie), true),
            // Nothing was proved anew.
            (_, Face::Browser, None) => return Ok(()),
            // A server's key stands for many people.
            (_, Face::App { .. }, _) => (known_devices::server(moved.state.client.as_deref().unwrap_or_default()), false),
        };
        let before = moved.device();
        let names: Vec<&str> = before.into_iter().chain([name.as_str()]).collect();
        // In an account that has just been made every device is new.
        let tells = self.machine.tells_of_devices() && !moved.state.is_new;
        if tells && !self.machine.is_known_device(&proven.account, &names, self.visitor.now_ms).await? {
            self.tell_of_device(moved, change, opened.session)?;
        }
        let user_agent = self.visitor.user_agent.and_then(mail::device_name).unwrap_or_default();
        let seen = SeenDevice { account: &proven.account, before, name: &name, label: &user_agent };
        if opened.counts && may_count && !proven.satisfied.is_eased && proven.satisfied.is_as_named {
            return Ok(known_devices::remember(change, &seen, &proven.proofs)?);
        }
        match self.machine.tells_of_devices() {
            true => known_devices::see(change, &seen),
            false => known_devices::rename(change, &seen),
        }
        Ok(())
    }

    fn tell_of_device(&self, moved: &Moved, change: &mut Change, session: &[u8; 16]) -> Result<()> {
        let (core, Some(account)) = (self.authority.core, moved.account()) else { return Ok(()) };
        let link = ending::link(core, session);
        let notice =
            mail::Notice { template: "new_device", locale: self.visitor.locale, user_agent: self.visitor.user_agent, link: Some(&link) };
        Ok(notices::tell(change, (&core.config, &core.keyring), account, notice)?)
    }
}
