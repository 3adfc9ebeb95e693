//! Static files: the style sheet (with the operator's colours and rules behind ours) and the operator's logo.

use super::own::own_file;
use crate::config::Brand;
use crate::error::Fault;
use bytes::Bytes;
use std::path::Path;
use symbolon_oauth::{base64url, digest};

const STYLE: &str = include_str!("style.css");
const LOGO_MOST: usize = 256 * 1024;

/// A file with the version its address carries: a digest, so that a changed file is a new address.
pub struct Asset {
    pub name: String,
    pub mime: &'static str,
    pub bytes: Bytes,
    pub version: String,
}

impl Asset {
    fn new(name: impl Into<String>, mime: &'static str, bytes: Vec<u8>) -> Self {
        let version = base64url::encode(&digest::sha256(&bytes)[..9]);
        Self { name: name.into(), mime, bytes: Bytes::from(bytes), version }
    }
}

pub struct Assets {
    pub style: Asset,
    pub logo: Option<Asset>,
}

impl Assets {
    pub fn read(brand: &Brand, own: Option<&Path>, base: &Path) -> Result<Self, Fault> {
        let mut style = STYLE.to_owned();
        if let Some(accent) = &brand.accent {
            style.push_str(&colours(accent, brand.accent_dark.as_deref())?);
        }
        if let Some(text) = own_file(own, "style.css")? {
            style.push_str(&text);
        }
        let logo = match &brand.logo {
            Some(path) => Some(logo(&base.join(path))?),
            None => None,
        };
        Ok(Self { style: Asset::new("style.css", "text/css; charset=utf-8", style.into_bytes()), logo })
    }
}

fn logo(path: &Path) -> Result<Asset, Fault> {
    let wrong = |what: &str| Fault::new(format!("[brand] logo {}: {what}", path.display()));
    let mime = match path.extension().and_then(|it| it.to_str()) {
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        _ => return Err(wrong("must be a .svg or .png file")),
    };
    let bytes = std::fs::read(path).map_err(|it| wrong(&it.to_string()))?;
    if bytes.len() > LOGO_MOST {
        return Err(wrong("is larger than 256 KiB"));
    }
    Ok(Asset::new(if mime == "image/png" { "logo.png" } else { "logo.svg" }, mime, bytes))
}

/// `#rrggbb` as three numbers.
fn parse(colour: &str) -> Result<[f64; 3], Fault> {
    let wrong = || Fault::new(format!("[brand]: {colour:?} is no colour; write it as #rrggbb"));
    let digits = colour.strip_prefix('#').filter(|it| it.len() == 6).ok_or_else(wrong)?;
    let number = u32::from_str_radix(digits, 16).map_err(|_| wrong())?;
    Ok([16, 8, 0].map(|shift| f64::from(number >> shift & 255) / 255.0))
}

/// Relative luminance. WCAG 2.2.
fn luminance(colour: [f64; 3]) -> f64 {
    let linear = colour.map(|it| if it <= 0.04045 { it / 12.92 } else { ((it + 0.055) / 1.055).powf(2.4) });
    0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
}

pub fn contrast(one: [f64; 3], other: [f64; 3]) -> f64 {
    let (a, b) = (luminance(one), luminance(other));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

/// The operator's accent. Text on it is black or white, whichever is easier to read. In the dark it is lightened until it can be read on
/// our dark card (WCAG 2.2 1.4.3).
fn colours(accent: &str, dark: Option<&str>) -> Result<String, Fault> {
    let light = parse(accent)?;
    let mut on_dark = match dark {
        Some(colour) => parse(colour)?,
        None => light,
    };
    const CARD_DARK: [f64; 3] = [0.102, 0.114, 0.137];
    const WHITE: [f64; 3] = [1.0; 3];
    while contrast(on_dark, CARD_DARK) < 4.5 {
        on_dark = on_dark.map(|it| it + (1.0 - it) * 0.1);
    }
    let mut on_light = light;
    while contrast(on_light, WHITE) < 4.5 {
        on_light = on_light.map(|it| it * 0.92);
    }
    let ink = |ground: [f64; 3]| if contrast(ground, WHITE) >= contrast(ground, [0.0; 3]) { "#ffffff" } else { "#000000" };
    let hex = |colour: [f64; 3]| format!("rgb({:.0} {:.0} {:.0})", colour[0] * 255.0, colour[1] * 255.0, colour[2] * 255.0);
    Ok(format!(
        "\n:root {{ --accent: {}; --on-accent: {}; }}\n@media (prefers-color-scheme: dark) {{ :root {{ --accent: {}; --on-accent: {}; }} }}\n",
        hex(on_light),
        ink(on_light),
        hex(on_dark),
        ink(on_dark)
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn every_accent_can_be_read_in_both_themes() {
        for accent in ["#000000", "#ffffff", "#ffee00", "#1f4fd8", "#00aa00"] {
            let css = colours(accent, None).unwrap();
            assert!(css.contains("--accent: rgb("), "{css}");
        }
        assert!(contrast([1.0; 3], [0.0; 3]) > 20.9);
        for bad in ["red", "#12345", "#12345g", "#fff; } body { display: none"] {
            assert!(colours(bad, None).is_err(), "{bad}");
        }
    }

    #[test]
    fn another_style_has_another_version() {
        let of = |accent: Option<&str>| {
            let brand = Brand { accent: accent.map(str::to_owned), ..Brand::default() };
            Assets::read(&brand, None, Path::new(".")).unwrap().style.version
        };
        assert_ne!(of(None), of(Some("#aa0000")));
        assert_eq!(of(None), of(None));
    }
}
