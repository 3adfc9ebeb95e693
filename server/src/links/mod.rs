//! Links that open apps: the association files that Apple and Google fetch, and which host a request is for.
//! Android: Digital Asset Links, Verify App Links. Apple: Supporting associated domains.

pub mod addressed;
pub mod doctor;
pub mod files;
pub mod held;
pub mod onward;
pub mod proved;

use crate::config::{Config, authority, claims};
use crate::web::request::Host;
use bytes::Bytes;
use files::Platform;
use std::collections::BTreeMap;
use symbolon_oauth::{base64url, digest};

/// One association file, ready to be sent.
pub struct File {
    pub bytes: Bytes,
    pub etag: String,
}

impl File {
    fn of(bytes: Vec<u8>) -> Self {
        let etag = format!("\"{}\"", base64url::encode(&digest::sha256(&bytes)[..12]));
        Self { bytes: bytes.into(), etag }
    }
}

/// The hosts of this server and their files, made once for each configuration.
pub struct Links {
    /// As `:authority` and `Host` name it.
    issuer: String,
    /// Of further hosts too that carry no file.
    hosts: BTreeMap<String, Files>,
    own: Files,
}

type Files = BTreeMap<Platform, File>;

impl Links {
    pub fn new(config: &Config) -> Self {
        let claims = claims(&config.client);
        let of = |host: &String| {
            files::of_host(config, host, claims.get(host)).into_iter().map(|(platform, bytes)| (platform, File::of(bytes))).collect()
        };
        Self {
            issuer: issuer_authority(config),
            hosts: config.host.keys().map(|host| (host.clone(), of(host))).collect(),
            own: files::of_issuer(config).into_iter().map(|(platform, bytes)| (platform, File::of(bytes))).collect(),
        }
    }

    /// `None`: no app of this host's owner is on that platform.
    pub fn file(&self, host: &Host, platform: Platform) -> Option<&File> {
        match host {
            Host::Issuer => self.own.get(&platform),
            Host::Further(name) => self.hosts.get(name)?.get(&platform),
            Host::Unknown => None,
        }
    }
}

/// An http issuer is of a developer's own machine; its port is never left out.
pub fn issuer_authority(config: &Config) -> String {
    authority(&config.issuer).unwrap_or_else(|| {
        let after = config.issuer.split_once("://").map_or("", |it| it.1);
        after.split('/').next().unwrap_or_default().to_owned()
    })
}
