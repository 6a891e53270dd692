//! The platform of this machine, and the image for it among those for several.

use std::env::consts;

use serde::Deserialize;

use super::documents::Descriptor;

/// A platform in the words of the OCI image specification.
#[derive(Deserialize, Clone, Debug)]
pub(super) struct Platform {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
    #[serde(default)]
    variant: Option<String>,
}

/// The architecture of this machine, in the words of Go.
fn architecture() -> &'static str {
    match consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" => "ppc64le",
        "loongarch64" => "loong64",
        other => other,
    }
}

/// The platform of this machine, for messages.
pub(super) fn this_machine() -> String {
    format!("{}/{}", consts::OS, architecture())
}

/// The images for this machine, the best first. Where no image says which machines it is for, all of them are taken.
pub(super) fn of_this_machine(descriptors: Vec<Descriptor>) -> Vec<Descriptor> {
    of(descriptors, architecture())
}

fn of(descriptors: Vec<Descriptor>, architecture: &str) -> Vec<Descriptor> {
    // Attestations are for an unknown platform.
    let (stated, unstated): (Vec<_>, Vec<_>) = descriptors.into_iter().partition(|one| one.platform.is_some());
    let mut ours: Vec<Descriptor> = stated;
    ours.retain(|one| {
        one.platform.as_ref().is_some_and(|one| one.os == consts::OS && one.architecture == architecture)
    });
    // Of several variants of an architecture, the most common one: arm/v7, and otherwise the one without a variant.
    ours.sort_by_key(|one| match one.platform.as_ref().and_then(|one| one.variant.as_deref()) {
        Some("v7") | None => 0,
        Some("v8") => 1,
        Some(_) => 2,
    });
    ours.extend(unstated);
    ours
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptors(platforms: &[&str]) -> Vec<Descriptor> {
        let one = |(number, platform): (usize, &&str)| {
            let platform = match platform.split_once('/') {
                Some((architecture, variant)) => {
                    serde_json::json!({"os": "linux", "architecture": architecture, "variant": variant})
                }
                None if platform.is_empty() => serde_json::Value::Null,
                None => serde_json::json!({"os": "linux", "architecture": platform}),
            };
            serde_json::from_value(serde_json::json!({"digest": number.to_string(), "platform": platform})).unwrap()
        };
        platforms.iter().enumerate().map(one).collect()
    }

    #[test]
    fn the_image_for_this_machine_is_taken() {
        let chosen = |platforms: &[&str], architecture| {
            let chosen = of(descriptors(platforms), architecture);
            chosen.iter().map(|one| one.digest.parse().unwrap()).collect::<Vec<usize>>()
        };
        assert_eq!(chosen(&["amd64", "arm64", "unknown"], "arm64"), [1]);
        assert_eq!(chosen(&["arm/v5", "arm/v7", "arm/v6"], "arm"), [1, 0, 2]);
        assert_eq!(chosen(&["", ""], "arm"), [0, 1]);
        assert!(chosen(&["amd64"], "arm64").is_empty());
    }
}
