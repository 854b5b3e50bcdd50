//! Text to a tree of values that know where they stand. YAML and JSON take this one road: JSON is YAML's flow style, and
//! the scanner reads JSON's own escapes, surrogate pairs included.
//!
//! It is safe with any text: the scanner has no `unsafe`, looks ahead a bounded distance, and gives events one by one;
//! the tree is built without recursion. What a text may cost is bounded by [`LARGEST_TREE`], [`MOST_REPEATED_BYTES`] and
//! [`DEEPEST`]; a value that is named again (`*alias`) is shared, and counted as if it stood there, with every byte of
//! it, which is the end of every alias bomb, and of chains of aliases too: one that is n levels deep counts for n²/2.
//!
//! Why granit-parser: yaml_serde gives positions only for errors, keeps duplicate keys quietly and costs 151 kB;
//! saphyr-parser (76 kB) holds the whole of a long `[...]` in its queue, 200 MB for one hostile megabyte, and knows no
//! surrogate pairs; libyaml-safer (60 kB) takes quadratic time on `[[[[`. granit-parser costs 127 kB and has none of that.

use super::fault::{Findings, Position, quoted};
use super::scalar::{self, Reading};
use granit_parser::{Event, Marker, Parser, ScalarStyle, Tag, options};
use litemap::LiteMap;
use std::collections::HashMap;
use std::rc::Rc;

/// More values than this are no manifest: a thousand containers with all their probes have a hundred thousand.
const LARGEST_TREE: usize = 200_000;

/// Aliases may add so many bytes of text: what is named again is copied where it is used.
const MOST_REPEATED_BYTES: usize = 4 << 20;

/// Nothing in a Pod is nested deeper than twenty levels.
const DEEPEST: usize = 60;

/// A value and where it stands.
#[derive(Debug)]
pub(super) struct Node {
    pub at: Position,
    pub value: Value,
    /// How many values it holds, itself included, aliases counted in full.
    weight: usize,
    /// How many bytes of text those are, and the keys.
    bytes: usize,
}

#[derive(Debug)]
pub(super) enum Value {
    Scalar {
        text: String,
        reading: Reading,
    },
    List(Vec<Rc<Node>>),
    /// Each key once, in the order of the text.
    Map(Vec<(Key, Rc<Node>)>),
}

#[derive(Clone, Debug)]
pub(super) struct Key {
    pub name: String,
    pub at: Position,
}

impl Node {
    pub fn is_null(&self) -> bool {
        matches!(
            self.value,
            Value::Scalar {
                reading: Reading::Null,
                ..
            }
        )
    }

    /// The value of a key, if this is a map and has it.
    pub fn get(&self, name: &str) -> Option<&Node> {
        let Value::Map(entries) = &self.value else {
            return None;
        };
        let (_, value) = entries.iter().find(|(key, _)| key.name == name)?;
        (!value.is_null()).then_some(value)
    }
}

/// Every document of a text that is not empty. What cannot be read ends the reading; the fault is among the findings.
pub(super) fn documents(text: &[u8], findings: &Findings) -> Vec<Rc<Node>> {
    let text = match std::str::from_utf8(text) {
        Ok(text) => text,
        Err(error) => {
            let good = String::from_utf8_lossy(&text[..error.valid_up_to()]);
            findings.fault(Some(end_of(&good)), "", "this is not UTF-8 text");
            return Vec::new();
        }
    };
    if let Some((good, _)) = text.split_once('\0') {
        findings.fault(Some(end_of(good)), "", "a NUL byte, which no text has");
        return Vec::new();
    }
    let mut builder = Builder {
        findings,
        open: Vec::new(),
        anchors: LiteMap::new(),
        documents: Vec::new(),
        weight: 0,
        repeated_bytes: 0,
    };
    if let Err((at, what)) = builder.read(text) {
        findings.fault(Some(at), "", what);
    }
    builder.documents
}

fn end_of(text: &str) -> Position {
    let last = text.rsplit('\n').next().unwrap_or_default();
    Position {
        line: text.matches('\n').count() + 1,
        column: last.chars().count() + 1,
    }
}

fn position(mark: &Marker) -> Position {
    Position {
        line: mark.line(),
        column: mark.col() + 1,
    }
}

struct Builder<'f> {
    findings: &'f Findings,
    open: Vec<Open>,
    anchors: LiteMap<usize, Rc<Node>>,
    documents: Vec<Rc<Node>>,
    weight: usize,
    repeated_bytes: usize,
}

/// A list or map whose end was not seen yet.
struct Open {
    at: Position,
    anchor: usize,
    items: Items,
}

enum Items {
    List(Vec<Rc<Node>>),
    Map(Map),
}

#[derive(Default)]
struct Map {
    entries: Vec<(Key, Rc<Node>)>,
    /// Where among the entries a key is, and where it was said; nowhere if `<<` brought it in.
    known: HashMap<String, (usize, Option<Position>)>,
    /// The key whose value comes next.
    key: Option<Key>,
}

/// The end of the reading: where, and why.
type Stop = (Position, String);

impl Builder<'_> {
    fn read(&mut self, text: &str) -> Result<(), Stop> {
        let options = options! {
            flow_nesting_limit: DEEPEST,
            block_nesting_limit: DEEPEST,
            // As kubectl's library, so that a script in a block has one meaning.
            block_scalar_eof_without_line_feed: true,
        };
        for event in Parser::new_from_str_with_options(text, options) {
            let (event, span) =
                event.map_err(|error| (position(error.marker()), not_yaml(&error.info())))?;
            self.hear(event, position(&span.start))?;
        }
        Ok(())
    }

    fn hear(&mut self, event: Event, at: Position) -> Result<(), Stop> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let reading = match meaning(tag.as_deref(), at)? {
                    Some("str") => Reading::Text,
                    None if style != ScalarStyle::Plain => Reading::Text,
                    _ => scalar::read(&text),
                };
                let value = Value::Scalar {
                    text: text.into_owned(),
                    reading,
                };
                self.close(at, anchor, value)
            }
            Event::SequenceStart(_, anchor, tag) => {
                meaning(tag.as_deref(), at)?;
                self.begin(at, anchor, Items::List(Vec::new()))
            }
            Event::MappingStart(_, anchor, tag) => {
                meaning(tag.as_deref(), at)?;
                self.begin(at, anchor, Items::Map(Map::default()))
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                None => Ok(()),
                Some(open) => {
                    let value = match open.items {
                        Items::List(items) => Value::List(items),
                        Items::Map(map) => Value::Map(map.entries),
                    };
                    self.close(open.at, open.anchor, value)
                }
            },
            Event::Alias(anchor) => match self.anchors.get(&anchor) {
                Some(node) => {
                    self.weight = self.weight.saturating_add(node.weight);
                    self.repeated_bytes = self.repeated_bytes.saturating_add(node.bytes);
                    self.attach(Rc::clone(node), at)
                }
                None => Err((at, "an alias inside of what it stands for".to_owned())),
            },
            Event::DocumentEnd => {
                self.anchors.clear();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn begin(&mut self, at: Position, anchor: usize, items: Items) -> Result<(), Stop> {
        self.open.push(Open { at, anchor, items });
        Ok(())
    }

    fn close(&mut self, at: Position, anchor: usize, value: Value) -> Result<(), Stop> {
        let inner: Vec<&Rc<Node>> = match &value {
            Value::Scalar { .. } => Vec::new(),
            Value::List(items) => items.iter().collect(),
            Value::Map(entries) => entries.iter().map(|(_, node)| node).collect(),
        };
        let own_bytes = match &value {
            Value::Scalar { text, .. } => text.len(),
            Value::List(_) => 0,
            Value::Map(entries) => entries.iter().map(|(key, _)| key.name.len()).sum(),
        };
        let node = Node {
            at,
            bytes: own_bytes + inner.iter().map(|node| node.bytes).sum::<usize>(),
            weight: 1 + inner.iter().map(|node| node.weight).sum::<usize>(),
            value,
        };
        self.weight += 1;
        let node = Rc::new(node);
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        self.attach(node, at)
    }

    /// Puts a finished value where it belongs. `at` is where it stands here; an alias stands elsewhere than its value.
    fn attach(&mut self, node: Rc<Node>, at: Position) -> Result<(), Stop> {
        if self.weight > LARGEST_TREE {
            let what = format!("more than {LARGEST_TREE} values: this is no manifest");
            return Err((at, what));
        }
        if self.repeated_bytes > MOST_REPEATED_BYTES {
            let what = format!("more than {MOST_REPEATED_BYTES} bytes of text by aliases");
            return Err((at, what));
        }
        match self.open.last_mut().map(|open| &mut open.items) {
            None if !node.is_null() => self.documents.push(node),
            None => {}
            Some(Items::List(items)) => items.push(node),
            Some(Items::Map(map)) => match map.key.take() {
                None => map.key = Some(as_key(&node, at)?),
                Some(key) if key.name == "<<" => map.merge(&node, at)?,
                Some(key) => {
                    if let Some(line) = map.insert(&key, node) {
                        let what = format!("the key {} was said in line {line}", quoted(&key.name));
                        self.findings.fault(Some(key.at), "", what);
                    }
                }
            },
        }
        Ok(())
    }
}

impl Map {
    /// Takes an entry, unless its key was said before: then the line of that.
    fn insert(&mut self, key: &Key, node: Rc<Node>) -> Option<usize> {
        let entry = (key.clone(), node);
        match self.known.get_mut(&key.name) {
            Some((_, Some(said))) => return Some(said.line),
            // What `<<` brought in gives way to what is said.
            Some((place, said)) => {
                *said = Some(key.at);
                self.entries[*place] = entry;
            }
            None => {
                let place = (self.entries.len(), Some(key.at));
                self.known.insert(key.name.clone(), place);
                self.entries.push(entry);
            }
        }
        None
    }

    /// `<<: *defaults`: what is not said here is taken from there; of several maps the first that has it counts.
    fn merge(&mut self, node: &Node, at: Position) -> Result<(), Stop> {
        let maps: Vec<&Node> = match &node.value {
            Value::List(items) => items.iter().map(Rc::as_ref).collect(),
            _ => vec![node],
        };
        for map in maps {
            let Value::Map(theirs) = &map.value else {
                return Err((at, "<< takes a map, or a list of maps".to_owned()));
            };
            for (key, value) in theirs {
                if !self.known.contains_key(&key.name) {
                    self.known
                        .insert(key.name.clone(), (self.entries.len(), None));
                    self.entries.push((key.clone(), Rc::clone(value)));
                }
            }
        }
        Ok(())
    }
}

fn as_key(node: &Node, at: Position) -> Result<Key, Stop> {
    match &node.value {
        Value::Scalar { text, .. } => Ok(Key {
            name: text.clone(),
            at,
        }),
        _ => Err((at, "a list or a map as a key; keys are words".to_owned())),
    }
}

/// What a tag of the core schema says (`!!str`); others have no meaning in a manifest.
fn meaning(tag: Option<&Tag>, at: Position) -> Result<Option<&str>, Stop> {
    let Some(tag) = tag else { return Ok(None) };
    match tag.core_suffix() {
        Some(known @ ("str" | "int" | "float" | "bool" | "null" | "seq" | "map")) => {
            Ok(Some(known))
        }
        _ => Err((
            at,
            format!(
                "the tag {} has no meaning in a manifest",
                quoted(&tag.original())
            ),
        )),
    }
}

fn not_yaml(what: &str) -> String {
    format!("this is neither YAML nor JSON: {what}")
}
