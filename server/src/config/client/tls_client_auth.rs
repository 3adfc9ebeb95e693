//! `[client.ID.tls_client_auth]`: which certificates of a CA are the client's. RFC 8705 2.1.

use super::super::docs::{Key, Kind, Presence, Section, defaulted, optional, required};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

use std::path::PathBuf;
use symbolon_oauth::distinguished_name;

pub(in crate::config) const SECTION: Section = Section {
    path: "client.ID.tls_client_auth",
    title: "A client with certificates of a CA",
    text: "Which certificates are the client's, with `authentication = \"tls_client_auth\"` (RFC 8705 2.1). Give exactly one of the five names, or \
           `devices = true`. It needs the table `[mtls]`.",
    presence: Presence::Absent,
    keys: KEYS,
    example: r#"
[client.fleet]
kind = "native"
redirect_uris = ["https://fleet.example.com/callback"]
authentication = "tls_client_auth"

[client.fleet.tls_client_auth]
ca = "device-ca.pem"
crl = "device-ca.crl"
devices = true
"#,
};

const KEYS: &[Key] = &[
    required("ca", Kind::Path, r#""device-ca.pem""#, "The CA's certificates, in PEM; read again when the file changes."),
    optional(
        "crl",
        Kind::Path,
        "no revocation is known",
        r#""device-ca.crl""#,
        "The CA's revocation lists, in PEM; read again when the file changes. An overdue list refuses everybody.",
    ),
    optional("subject_dn", Kind::Text, "none", r#""CN=robot,O=Example""#, "The subject of the certificate (RFC 4514), compared exactly."),
    optional("san_dns", Kind::Text, "none", r#""robot.example.com""#, "Its DNS name."),
    optional("san_uri", Kind::Text, "none", r#""https://example.com/robot""#, "Its URI."),
    optional("san_ip", Kind::Text, "none", r#""192.0.2.7""#, "Its IP address."),
    optional("san_email", Kind::Text, "none", r#""robot@example.com""#, "Its mail address."),
    defaulted(
        "devices",
        Kind::Flag,
        "false",
        "The CA is an organisation's device management: every certificate is a device with sessions of its own.",
    ),
];

/// Which certificates are the client's. RFC 8705 2.1.2: exactly one of the five names, or `devices`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsClientAuth {
    pub ca: PathBuf,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crl: Option<PathBuf>,
    /// RFC 4514, compared exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_dn: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub san_dns: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub san_uri: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub san_ip: Option<IpAddr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub san_email: Option<String>,
    #[serde(default)]
    pub devices: bool,
}

/// A name a certificate must have, in one of the places where certificates have names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateName<'a> {
    /// RFC 4514, compared exactly.
    SubjectDn(&'a str),
    Dns(&'a str),
    Uri(&'a str),
    Email(&'a str),
    Ip(IpAddr),
}

impl CertificateName<'_> {
    pub(super) fn problem(&self) -> Option<String> {
        let Self::SubjectDn(dn) = self else { return None };
        distinguished_name::parse(dn).is_none().then(|| format!("subject_dn: {dn:?} is no name of RFC 4514"))
    }
}

impl TlsClientAuth {
    pub fn names(&self) -> Vec<CertificateName<'_>> {
        let names = [
            self.subject_dn.as_deref().map(CertificateName::SubjectDn),
            self.san_dns.as_deref().map(CertificateName::Dns),
            self.san_uri.as_deref().map(CertificateName::Uri),
            self.san_email.as_deref().map(CertificateName::Email),
            self.san_ip.map(CertificateName::Ip),
        ];
        names.into_iter().flatten().collect()
    }

    pub fn problems(&self) -> Option<String> {
        let names = self.names();
        if names.len() + usize::from(self.devices) != 1 {
            return Some("tls_client_auth needs one of subject_dn, san_dns, san_uri, san_ip, san_email, or devices = true".to_owned());
        }
        names.iter().find_map(CertificateName::problem).map(|it| format!("tls_client_auth.{it}"))
    }
}
