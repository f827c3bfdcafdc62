//! The sections of a `web.config`, found by their names.

use roxmltree::{Document, Node};

use super::attributes::line;
use super::error::WebConfigError;
use super::left_out::LeftOut;

/// The namespace that old versions of Visual Studio gave a `web.config`. ASP.NET ignores it.
const OLD_NAMESPACE: &str = "http://schemas.microsoft.com/.NetConfiguration/v2.0";

/// What a file says in one section.
#[derive(Clone, Copy)]
pub(super) enum Section<'a> {
    /// The section is not there, so its defaults are in force.
    Absent,
    /// The section is there.
    Here(Node<'a, 'a>),
    /// The section is in another file, encrypted, or for a part of the site only.
    Elsewhere,
}

/// Returns the element `<configuration>`.
pub(super) fn configuration<'a>(
    document: &'a Document<'a>,
) -> Result<Node<'a, 'a>, WebConfigError> {
    let root = document.root_element();
    if is_named(&root, "configuration") {
        return Ok(root);
    }
    Err(WebConfigError::in_line(
        line(root),
        "the first element is not `<configuration>`: check that this is a web.config",
    ))
}

/// Finds a section of `<system.web>`, and lists why it cannot be read.
pub(super) fn section<'a>(
    configuration: Node<'a, 'a>,
    name: &'static str,
    left_out: &mut Vec<LeftOut>,
) -> Result<Section<'a>, WebConfigError> {
    let groups = elements(configuration, "system.web");
    let mut sections = groups.flat_map(|group| elements(group, name));
    let Some(section) = sections.next() else {
        let mut locations = elements(configuration, "location")
            .flat_map(|location| elements(location, "system.web"))
            .flat_map(|group| elements(group, name));
        return Ok(match locations.next() {
            Some(_) => Section::Elsewhere,
            None => Section::Absent,
        });
    };
    if let Some(second) = sections.next() {
        return Err(twice(second, name));
    }
    if let Some(file) = section.attribute("configSource") {
        left_out.push(LeftOut::new(
            format!("<{name} configSource={file:?}> in line {}", line(section)),
            "Its settings are in that other file, which is not read.",
            "Copy the element from that file to the place of this one, and read the result.",
        ));
        return Ok(Section::Elsewhere);
    }
    let is_encrypted = elements(section, "EncryptedData").next().is_some()
        || section.has_attribute("configProtectionProvider");
    if is_encrypted {
        left_out.push(LeftOut::new(
            format!("<{name}> in line {}", line(section)),
            "It is encrypted.",
            "Decrypt it by `aspnet_regiis -pd`, and read the result.",
        ));
        return Ok(Section::Elsewhere);
    }
    Ok(Section::Here(section))
}

/// Finds the one element of this name.
pub(super) fn only<'a>(
    parent: Node<'a, 'a>,
    name: &'static str,
) -> Result<Option<Node<'a, 'a>>, WebConfigError> {
    let mut found = elements(parent, name);
    let first = found.next();
    match found.next() {
        Some(second) => Err(twice(second, name)),
        None => Ok(first),
    }
}

/// Lists the parts of the site that have settings of their own.
pub(super) fn locations(configuration: Node<'_, '_>) -> impl Iterator<Item = LeftOut> {
    let text = configuration.document().input_text().as_bytes();
    // Lines are counted from one element to the next. From the start of the file each time, a file
    // of many elements would take minutes.
    let (mut line, mut counted) = (1, 0);
    elements(configuration, "location").map(move |location| {
        let start = location.range().start;
        let between = text.get(counted..start).unwrap_or_default();
        line += between.iter().filter(|byte| **byte == b'\n').count();
        counted = start;
        let path = location.attribute("path").unwrap_or_default();
        LeftOut::new(
            format!("<location path={path:?}> in line {line}"),
            "A layer has one set of settings for the whole site that it wraps.",
            "Wrap that part of the application in a layer of its own, or exempt it if it needs no \
             log-in.",
        )
    })
}

fn elements<'a>(parent: Node<'a, 'a>, name: &'static str) -> impl Iterator<Item = Node<'a, 'a>> {
    parent.children().filter(move |child| is_named(child, name))
}

fn is_named(node: &Node<'_, '_>, name: &str) -> bool {
    let tag = node.tag_name();
    tag.name() == name && matches!(tag.namespace(), None | Some(OLD_NAMESPACE))
}

fn twice(second: Node<'_, '_>, name: &str) -> WebConfigError {
    WebConfigError::in_line(
        line(second),
        format!("`<{name}>` is there a second time, which ASP.NET refuses: delete one of them"),
    )
}
