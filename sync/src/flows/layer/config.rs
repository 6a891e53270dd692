//! The configuration of the image that is made: the new image's, with the layers that there will be. OCI image-spec
//! 1.1, config.md.

use serde_json::{Value, json};

/// What the history says of the layer.
const MADE_BY: &str = "regrow layer";

/// The configuration with these layers, of which the last one is made by this flow if `has_layer`. `None` if it is no
/// configuration.
pub(super) fn config(old: &[u8], new: &[u8], diff_ids: &[&str], has_layer: bool) -> Option<Vec<u8>> {
    let old: Value = serde_json::from_slice(old).ok()?;
    let mut new: Value = serde_json::from_slice(new).ok()?;
    let created = new.get("created").cloned();
    let fields = new.as_object_mut()?;
    fields.insert("rootfs".to_owned(), json!({ "type": "layers", "diff_ids": diff_ids }));
    fields.remove("history");
    if let Some(mut history) = history_of(&old, diff_ids.len() - usize::from(has_layer)) {
        if has_layer {
            let mut own = json!({ "created_by": MADE_BY });
            if let (Some(created), Some(own)) = (created, own.as_object_mut()) {
                own.insert("created".to_owned(), created);
            }
            history.push(own);
        }
        fields.insert("history".to_owned(), history.into());
    }
    serde_json::to_vec(&new).ok()
}

/// The history of a configuration, if it tells of as many layers as there are.
fn history_of(config: &Value, layers: usize) -> Option<Vec<Value>> {
    let history = config.get("history")?.as_array()?;
    let is_empty = |entry: &&Value| entry.get("empty_layer").and_then(Value::as_bool) == Some(true);
    let told = history.len() - history.iter().filter(is_empty).count();
    (told == layers).then(|| history.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(old: &Value, new: &Value, has_layer: bool) -> Value {
        let diff_ids = if has_layer { &["sha256:a", "sha256:b"][..] } else { &["sha256:a"] };
        let made = config(old.to_string().as_bytes(), new.to_string().as_bytes(), diff_ids, has_layer);
        serde_json::from_slice(&made.unwrap()).unwrap()
    }

    #[test]
    fn history_tells_of_each_layer() {
        let old = json!({ "history": [{ "created_by": "x" }, { "empty_layer": true }], "config": { "Cmd": ["old"] } });
        let new = json!({ "created": "2024", "config": { "Cmd": ["new"] }, "history": [{}, {}], "os": "linux" });
        let made = of(&old, &new, true);
        assert_eq!(made["config"], json!({ "Cmd": ["new"] }));
        assert_eq!(made["rootfs"], json!({ "type": "layers", "diff_ids": ["sha256:a", "sha256:b"] }));
        let own = json!({ "created": "2024", "created_by": "regrow layer" });
        assert_eq!(made["history"], json!([{ "created_by": "x" }, { "empty_layer": true }, own]));
        assert_eq!(of(&old, &new, false)["history"], old["history"]);
    }

    #[test]
    fn a_history_that_tells_of_other_layers_is_left_out() {
        let new = json!({ "history": [{}] });
        for old in [json!({}), json!({ "history": [] }), json!({ "history": [{}, {}] })] {
            assert_eq!(of(&old, &new, true).get("history"), None);
        }
        assert_eq!(config(b"[]", b"[]", &[], false), None);
    }
}
