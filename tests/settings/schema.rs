//! Tests of the JSON schema: it has the fields that serde knows, and no others.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use tower_login_timeout::{LoginTimeoutLayer, ManualClock, MemoryStore, Policy, Settings};

use crate::common::site::Site;

/// A name that no field has.
const NOBODY: &str = "?";

/// Where a value is in a document.
type Place = Vec<String>;

#[test]
fn a_document_with_each_example_of_the_schema_is_read() {
    let document = document(&schema(), "examples");
    read(&document).unwrap_or_else(|error| panic!("{error}: {document:#}"));
    for (place, schema) in objects() {
        let written = document.pointer(&pointer(&place)).unwrap();
        let written: BTreeSet<_> = written.as_object().unwrap().keys().cloned().collect();
        assert_eq!(written, names(&schema), "{place:?}");
    }
}

#[test]
fn each_object_of_the_schema_has_the_fields_that_serde_knows() {
    let objects = objects();
    assert!(objects.len() > 8, "only {} objects", objects.len());
    for (place, schema) in objects {
        let mut document = document(&self::schema(), "examples");
        let object = document.pointer_mut(&pointer(&place)).unwrap();
        object[NOBODY] = json!(true);
        let error = read(&document).unwrap_err();
        assert!(error.contains("unknown field `?`"), "{place:?}: {error}");
        assert_eq!(expected(&error), names(&schema), "{place:?}");
        assert_eq!(schema["additionalProperties"], false, "{place:?}");
    }
}

#[test]
fn each_choice_of_the_schema_has_the_values_that_serde_knows() {
    let choices: Vec<_> = values()
        .into_iter()
        .filter(|(_, s)| s["enum"].is_array())
        .collect();
    assert_eq!(choices.len(), 4);
    for (place, schema) in choices {
        let mut document = document(&self::schema(), "examples");
        *document.pointer_mut(&pointer(&place)).unwrap() = json!(NOBODY);
        let error = read(&document).unwrap_err();
        assert!(error.contains("unknown variant `?`"), "{place:?}: {error}");
        let known = schema["enum"].as_array().unwrap().iter();
        let known = known
            .map(|value| value.as_str().unwrap().to_owned())
            .collect();
        assert_eq!(expected(&error), known, "{place:?}");
    }
}

#[tokio::test]
async fn the_defaults_of_the_schema_are_those_of_the_builders() {
    let mut defaults = document(&schema(), "default");
    defaults["cookie"]["name"] = json!("sid");
    defaults["browser"]["path"] = json!("/session");
    defaults["login_page"]["path"] = json!("/login");
    defaults["visitors"]["log_in"]["paths"] = json!(["/login"]);
    let shortest = json!({
        "cookie": { "name": "sid" },
        "browser": { "path": "/session" },
        "login_page": { "path": "/login" },
        "near_cache": {},
        "visitors": { "log_in": { "paths": ["/login"] } },
    });
    let (defaults, shortest) = (read(&defaults).unwrap(), read(&shortest).unwrap());
    assert_eq!(defaults.policy(), Policy::default());
    // The builders are told the defaults, or nothing: what they build is the same.
    let built = |settings: &Settings| {
        let cache = settings.near_cache(MemoryStore::new()).unwrap();
        let (cookie, response) = (settings.cookie().unwrap(), settings.response());
        format!("{cache:?} {cookie:?} {response:?} {}", settings.store())
    };
    assert_eq!(built(&defaults), built(&shortest));
    assert_eq!(state(&defaults).await, state(&shortest).await);
    // The rest is not visible but in the settings themselves.
    let mut rest = document(&schema(), "default");
    for name in ["cookie", "near_cache", "browser", "login_page", "visitors"] {
        rest.as_object_mut().unwrap().remove(name);
    }
    let rest = format!("{:?}", read(&rest).unwrap());
    assert_eq!(rest, format!("{:?}", Settings::default()));
}

/// Returns what a page is told: when it is to warn, for one.
async fn state(settings: &Settings) -> String {
    let clock = ManualClock::new();
    let layer = LoginTimeoutLayer::from_settings(settings, MemoryStore::new()).unwrap();
    let layer = layer.with_clock(clock);
    layer.tracker().start("a").await.unwrap();
    let site = Site::new(Policy::builder()).configured(|_| layer);
    site.ask("/session", "a").await.into_body()
}

#[test]
fn each_field_that_is_not_required_can_be_left_out() {
    for (place, schema) in objects() {
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        for name in names(&schema) {
            let mut document = document(&self::schema(), "examples");
            let object = document.pointer_mut(&pointer(&place)).unwrap();
            object.as_object_mut().unwrap().remove(&name);
            let is_required = required.contains(&json!(name));
            // Without `idle`, the times of the examples still fit together.
            assert_eq!(read(&document).is_err(), is_required, "{place:?} {name}");
        }
    }
}

#[test]
fn bounds_and_patterns_of_the_schema_refuse_what_serde_refuses() {
    for (place, schema) in values() {
        let mut wrong = Vec::new();
        if let Some(minimum) = schema["minimum"].as_u64() {
            wrong.push(json!(minimum - 1));
        }
        if let Some(maximum) = schema["maximum"].as_u64() {
            wrong.push(json!(maximum + 1));
        }
        if schema["minLength"] == 1 {
            wrong.push(json!(""));
        }
        if let Some(pattern) = schema["pattern"].as_str() {
            let pattern = regex::Regex::new(pattern).unwrap();
            for text in ["", "15", "soon", "none", "a b", "//a", "a?b", "/a?b", "/"] {
                if !pattern.is_match(text) {
                    wrong.push(json!(text));
                }
            }
            let examples = schema["examples"].as_array().into_iter().flatten();
            for example in examples.filter_map(Value::as_str) {
                assert!(pattern.is_match(example), "{place:?} {example}");
            }
        }
        for value in wrong {
            let mut document = document(&self::schema(), "examples");
            *document.pointer_mut(&pointer(&place)).unwrap() = value.clone();
            assert!(read(&document).is_err(), "{place:?}: {value} is taken");
        }
    }
}

/// An editor must not mark a time that is read, nor leave one unmarked that is refused.
#[test]
fn the_schema_takes_the_times_that_serde_takes() {
    let units = "ns nsec nanos us usec µs ms msec millis s sec secs second seconds m min mins minute \
                 minutes h hr hrs hour hours d day days w wk wks week weeks month months y yr yrs \
                 year years M H x Min weekminutes";
    let numbers = [
        "15", "007", "1.5", ".5", "1.", "1e3", "-1", "+1", "1_000", "",
    ];
    let mut texts: Vec<_> = units.split(' ').map(|unit| format!("15{unit}")).collect();
    texts.extend(numbers.map(|number| format!("{number}m")));
    let others = [
        "",
        "0",
        "15",
        " 15m ",
        "1h30m",
        "1h 30m",
        "1 h\t30 m",
        "1h, 30m",
        "none",
        "None",
        "１５m",
        "1.5h 0.5m",
        "1M 2d",
        "1h and 2m",
    ];
    texts.extend(others.map(str::to_owned));
    for (name, field) in [("time", "remember_expired_for"), ("limit", "idle")] {
        let schema = schema();
        let pattern = schema["$defs"][name]["pattern"].as_str().unwrap();
        let pattern = regex::Regex::new(pattern).unwrap();
        for text in &texts {
            let document = json!({ "policy": { field: text } });
            let is_read = read(&document).is_ok();
            assert_eq!(pattern.is_match(text), is_read, "{field} = {text:?}");
        }
    }
}

fn read(document: &Value) -> Result<Settings, String> {
    serde_json::from_value(document.clone()).map_err(|error| error.to_string())
}

fn schema() -> Value {
    serde_json::from_str(Settings::JSON_SCHEMA).unwrap()
}

/// Returns the document that has the first example, or the default, of each property.
fn document(schema: &Value, keyword: &str) -> Value {
    let schema = resolved(schema);
    if let Some(properties) = schema["properties"].as_object() {
        let mut object = Map::new();
        for (name, property) in properties {
            let value = document(property, keyword);
            if !value.is_null() {
                object.insert(name.clone(), value);
            }
        }
        return Value::Object(object);
    }
    match &schema[keyword] {
        Value::Null if keyword == "examples" && schema["type"] == "array" => {
            json!([document(&schema["items"], keyword)])
        }
        Value::Null => Value::Null,
        Value::Array(examples) if keyword == "examples" => examples[0].clone(),
        value => value.clone(),
    }
}

/// Returns each object of the schema with named properties, and where it is.
fn objects() -> Vec<(Place, Value)> {
    let mut found = walk(&schema(), &Place::new());
    found.retain(|(_, schema)| schema["properties"].is_object());
    found
}

/// Returns each schema that is no object with named properties, and where it is.
fn values() -> Vec<(Place, Value)> {
    let mut found = walk(&schema(), &Place::new());
    found.retain(|(_, schema)| !schema["properties"].is_object());
    found
}

fn walk(schema: &Value, place: &Place) -> Vec<(Place, Value)> {
    let schema = resolved(schema);
    let below = |name: &str| [&place[..], &[name.to_owned()]].concat();
    let mut found = Vec::new();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        found.extend(walk(property, &below(name)));
    }
    if schema["items"].is_object() && !place.contains(&"headers".to_owned()) {
        found.extend(walk(&schema["items"], &below("0")));
    }
    found.push((place.clone(), schema));
    found
}

/// Returns the schema with what it refers to.
fn resolved(schema: &Value) -> Value {
    let Some(reference) = schema["$ref"].as_str() else {
        return schema.clone();
    };
    let root = self::schema();
    let mut whole = root
        .pointer(reference.trim_start_matches('#'))
        .unwrap()
        .clone();
    for (keyword, value) in schema.as_object().unwrap() {
        whole[keyword] = value.clone();
    }
    whole
}

fn names(schema: &Value) -> BTreeSet<String> {
    schema["properties"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect()
}

/// Returns the names that an error of serde's says it expected.
fn expected(error: &str) -> BTreeSet<String> {
    let (_, list) = error.split_once("expected").unwrap();
    list.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

fn pointer(place: &Place) -> String {
    place.iter().map(|name| format!("/{name}")).collect()
}
