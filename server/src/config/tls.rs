//! `[tls]`: TLS by the server itself.

use super::docs::{Kind, Presence, Section, required};
use serde::Deserialize;
use std::path::PathBuf;

pub(super) const SECTION: Section = Section {
    path: "tls",
    title: "TLS",
    text: "The server speaks TLS itself. Without this table a proxy has to do it; name that proxy in `trusted_proxies`. The files are read \
           again when they change.",
    presence: Presence::Absent,
    keys: &[
        required("certificate", Kind::Path, r#""fullchain.pem""#, "The certificate and the certificates above it, in PEM."),
        required("key", Kind::Path, r#""key.pem""#, "The private key of the certificate, in PEM."),
    ],
    example: r#"
[tls]
certificate = "/etc/symbolon/fullchain.pem"
key = "/etc/symbolon/key.pem"
"#,
};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    pub certificate: PathBuf,
    pub key: PathBuf,
}
