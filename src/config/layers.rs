//! From built-in defaults, a file and the environment to one configuration.
//!
//! The `config` crate lays the layers over one another. It would also turn numbers into texts and back without a word,
//! and it does not know where in the file a value stands: so each layer is checked against the known keys before,
//! and the values of the environment are read as what their key holds.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use super::checks::{self, CHECKS};
use super::document::{self, Content, Entry, Node};
use super::problem::{ConfigErrors, Place, Problem, Source};
use super::shape::{Fault, Inspection, Shape};
use super::{Config, Environment, variables};

/// The configuration that is built in: every key with its default and a comment for whoever writes a file of their own.
pub const DEFAULTS: &str = include_str!("../../config/default.toml");

/// Where the configuration file is looked for, unless `--config` or `IAMWARDEN_CONFIG` say otherwise.
pub const DEFAULT_PATH: &str = "config/iamwarden.toml";

/// The environment variable that names the configuration file.
pub const PATH_VARIABLE: &str = "IAMWARDEN_CONFIG";

/// What every configuration is checked against; built in, so it is compiled once.
static SHAPE: LazyLock<Shape> = LazyLock::new(Shape::of_configuration);

/// No configuration that a person wrote is larger, in bytes.
const LARGEST: u64 = 1 << 20;

/// A configuration, and what there is to say about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What it was made of, the strongest last.
    pub sources: Vec<Source>,
    /// What a person may want to know.
    pub notes: Vec<String>,
    /// What is allowed and yet deserves a word.
    pub warnings: Vec<String>,
}

/// Reads the configuration: built-in defaults, under the file, under the environment.
///
/// The file is the one given, else the one that `IAMWARDEN_CONFIG` names, else `config/iamwarden.toml`, which alone
/// may be missing.
///
/// # Errors
/// Everything that is wrong, as far as it can be told at once.
pub fn load(path: Option<&Path>, environment: &Environment) -> Result<Loaded, ConfigErrors> {
    let (path, asked_for) = chosen_path(path, environment)?;
    match read(&path, asked_for)? {
        Some(text) => assemble(Some((path, text)), environment, Vec::new()),
        None => {
            let note = format!(
                "there is no {DEFAULT_PATH}: the built-in defaults and the environment hold (--config or {PATH_VARIABLE} name another file)"
            );
            assemble(None, environment, vec![note])
        }
    }
}

/// As [`load`], from a text instead of a file; the path is only for messages.
///
/// # Errors
/// Everything that is wrong, as far as it can be told at once.
pub fn load_text(path: &Path, text: &str, environment: &Environment) -> Result<Loaded, ConfigErrors> {
    assemble(Some((path.to_owned(), text.to_owned())), environment, Vec::new())
}

impl Config {
    /// The built-in defaults alone.
    ///
    /// # Errors
    /// None in a build that passes its tests.
    pub fn built_in() -> Result<Self, ConfigErrors> {
        assemble(None, &Environment::empty(), Vec::new()).map(|loaded| loaded.config)
    }
}

fn chosen_path(path: Option<&Path>, environment: &Environment) -> Result<(PathBuf, bool), ConfigErrors> {
    match (path, environment.get(PATH_VARIABLE)) {
        (Some(path), _) => Ok((path.to_owned(), true)),
        (None, Some(named)) if named.is_empty() => Err(ConfigErrors::one(Problem {
            place: whole(Source::Variable(PATH_VARIABLE.to_owned())),
            key: String::new(),
            message: "it is empty: name the configuration file, or unset it".to_owned(),
        })),
        (None, Some(named)) => Ok((named.into(), true)),
        (None, None) => Ok((DEFAULT_PATH.into(), false)),
    }
}

fn whole(source: Source) -> Place {
    Place {
        source,
        position: None,
    }
}

/// The text of the file; `None`: it is not there and nobody asked for it.
fn read(path: &Path, asked_for: bool) -> Result<Option<String>, ConfigErrors> {
    let wrong = |position, message| {
        let place = Place {
            source: Source::File(path.to_owned()),
            position,
        };
        ConfigErrors::one(Problem {
            place,
            key: String::new(),
            message,
        })
    };
    let unreadable = |error: io::Error| {
        let advice = if error.kind() == io::ErrorKind::NotFound {
            "name the configuration file with --config or IAMWARDEN_CONFIG"
        } else {
            "name a file that the user iamwarden runs as may read"
        };
        wrong(
            None,
            format!("the configuration cannot be read: {error}; {advice}"),
        )
    };
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        // A link that leads nowhere is there.
        Err(error)
            if error.kind() == io::ErrorKind::NotFound && !asked_for && path.symlink_metadata().is_err() =>
        {
            return Ok(None);
        }
        Err(error) => return Err(unreadable(error)),
    };
    let mut bytes = Vec::new();
    file.take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > LARGEST) {
        let message = "the file is larger than 1 MiB: this is not a configuration".to_owned();
        return Err(wrong(None, message));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Some(text)),
        Err(error) => {
            let position = document::position_of_bad_byte(error.as_bytes(), error.utf8_error().valid_up_to());
            let message = "the file is not UTF-8: save it as UTF-8 text".to_owned();
            Err(wrong(Some(position), message))
        }
    }
}

/// What the layers hold, what is wrong with them, and where each value stands.
#[derive(Default)]
struct Layers {
    /// Sound values, the weakest first.
    values: Vec<config::Map<String, config::Value>>,
    problems: Vec<Problem>,
    /// Keys whose value is unsound.
    unsound: Vec<String>,
    places: BTreeMap<String, Place>,
}

fn assemble(
    file: Option<(PathBuf, String)>,
    environment: &Environment,
    notes: Vec<String>,
) -> Result<Loaded, ConfigErrors> {
    let shape = &*SHAPE;
    let mut layers = Layers::default();
    let mut sources = vec![Source::BuiltIn];
    layers.add_text(shape, Source::BuiltIn, DEFAULTS);
    if let Some((path, text)) = file {
        let source = Source::File(path);
        layers.add_text(shape, source.clone(), &text);
        sources.push(source);
    }
    sources.extend(layers.add_environment(shape, environment));

    let config = layers.merge();
    if let Some(config) = &config {
        layers.run_checks(config);
    }
    ConfigErrors::unless_none(layers.problems)?;
    match config {
        Some(config) => Ok(Loaded {
            sources,
            notes,
            warnings: checks::warnings(&config),
            config,
        }),
        // `merge` told why; were it ever silent, that is still no configuration.
        None => Err(ConfigErrors::one(Problem {
            place: whole(Source::BuiltIn),
            key: String::new(),
            message: "the configuration could not be put together: report this as a defect".to_owned(),
        })),
    }
}

impl Layers {
    fn add_text(&mut self, shape: &Shape, source: Source, text: &str) {
        match document::parse(text) {
            Ok(tree) => self.add_tree(shape, source, &tree, ""),
            Err(error) => {
                let place = Place {
                    source,
                    position: error.position,
                };
                // Nothing that stands in this layer can be judged.
                self.unsound.push(String::new());
                self.problems.push(Problem {
                    place,
                    key: String::new(),
                    message: format!("this is not TOML: {}", error.cause),
                });
            }
        }
    }

    /// Takes what is sound of a value at a path (empty: the whole).
    fn add_tree(&mut self, shape: &Shape, source: Source, tree: &Node, path: &str) {
        let mut inspection = Inspection::default();
        let sound = inspection.check(shape, tree, path);
        for Fault {
            path,
            position,
            message,
        } in inspection.faults
        {
            self.unsound.push(path.clone());
            self.problems.push(Problem {
                place: Place {
                    source: source.clone(),
                    position,
                },
                key: path,
                message,
            });
        }
        if let Some(tree) = sound {
            self.note_places(&source, &tree, path);
            let mut value = to_value(&source, &tree);
            for segment in path.rsplit('.').filter(|segment| !segment.is_empty()) {
                value = config::Value::from(config::Map::from([(segment.to_owned(), value)]));
            }
            if let config::ValueKind::Table(values) = value.kind {
                self.values.push(values);
            }
        }
    }

    fn note_places(&mut self, source: &Source, node: &Node, path: &str) {
        let place = Place {
            source: source.clone(),
            position: node.position,
        };
        self.places.insert(path.to_owned(), place);
        match &node.content {
            Content::Table(entries) => {
                for entry in entries {
                    let path = super::shape::join(path, &entry.key);
                    self.note_places(source, &entry.value, &path);
                }
            }
            Content::List(list) => {
                // A list replaces the weaker layer's whole.
                let items = format!("{path}[");
                let weaker = self.places.range(items.clone()..).map(|(key, _)| key.clone());
                let weaker: Vec<_> = weaker.take_while(|key| key.starts_with(&items)).collect();
                for key in weaker {
                    self.places.remove(&key);
                }
                for (n, item) in list.iter().enumerate() {
                    self.note_places(source, item, &format!("{path}[{n}]"));
                }
            }
            Content::Text(_) | Content::Integer(_) | Content::Float | Content::Boolean(_) | Content::Date => {
            }
        }
    }

    /// The place of a key, else of what it stands in.
    fn place(&self, key: &str) -> Place {
        let mut key = key;
        loop {
            if let Some(place) = self.places.get(key) {
                return place.clone();
            }
            match key.rfind(['.', '[']) {
                Some(at) => key = key.get(..at).unwrap_or_default(),
                None => return whole(Source::BuiltIn),
            }
        }
    }

    fn add_environment(&mut self, shape: &Shape, environment: &Environment) -> Vec<Source> {
        let mut sources = Vec::new();
        for (name, value) in environment.starting_with("IAMWARDEN_") {
            match name.strip_prefix(variables::PREFIX) {
                Some(suffix) => {
                    self.add_variable(shape, &name, suffix, value);
                    sources.push(Source::Variable(name));
                }
                None => {
                    if let Some(known) = variables::nearly(shape, &name) {
                        self.tell_of_variable(&name, "", format!("it sets nothing; did you mean `{known}`?"));
                    }
                }
            }
        }
        sources
    }

    fn tell_of_variable(&mut self, name: &str, key: &str, message: String) {
        self.problems.push(Problem {
            place: whole(Source::Variable(name.to_owned())),
            key: key.to_owned(),
            message,
        });
    }

    fn add_variable(&mut self, shape: &Shape, name: &str, suffix: &str, value: &OsStr) {
        let Some((key, shape)) = variables::find(shape, suffix) else {
            self.tell_of_variable(name, "", variables::unknown(shape, suffix));
            return;
        };
        let read = match value.to_str() {
            Some(text) => variables::interpret(shape, text),
            None => Err("its value is not UTF-8 text".to_owned()),
        };
        match read {
            Ok(node) => self.add_tree(shape, Source::Variable(name.to_owned()), &node, &key),
            Err(complaint) => {
                self.unsound.push(key.clone());
                self.tell_of_variable(name, &key, complaint);
            }
        }
    }

    /// Lays the layers over one another; where that fails, the problem is told.
    fn merge(&mut self) -> Option<Config> {
        let mut builder = config::Config::builder();
        for values in self.values.drain(..) {
            builder = builder.add_source(Layer(values));
        }
        let merged = match builder.build() {
            Ok(merged) => merged,
            Err(error) => {
                // Of a layer as a whole, so it holds no value.
                self.problems.push(Problem {
                    place: whole(Source::BuiltIn),
                    key: String::new(),
                    message: format!(
                        "the layers could not be laid over one another: {error}; report this as a defect"
                    ),
                });
                return None;
            }
        };
        match serde_path_to_error::deserialize(merged) {
            Ok(config) => Some(config),
            Err(error) => {
                // All that is sound by its shape can be read, so this is a defect. Serde's own words are left out: they
                // may repeat the value.
                let key = error.path().to_string();
                self.problems.push(Problem {
                    place: self.place(&key),
                    message: "its value cannot be used here: see `iamwarden schema` for what is allowed"
                        .to_owned(),
                    key,
                });
                None
            }
        }
    }

    fn run_checks(&mut self, config: &Config) {
        let mut told = Vec::new();
        for check in &CHECKS {
            if check.can_judge(self.unsound.iter().map(String::as_str)) {
                (check.run)(config, &mut |key, message| told.push((key, message)));
            } else {
                tracing::debug!(
                    check = check.name,
                    "not judged: something that it reads is unsound"
                );
            }
        }
        for (key, message) in told {
            self.problems.push(Problem {
                place: self.place(&key),
                key,
                message,
            });
        }
    }
}

/// Values of one layer, as the `config` crate takes them.
#[derive(Debug, Clone)]
struct Layer(config::Map<String, config::Value>);

impl config::Source for Layer {
    fn clone_into_box(&self) -> Box<dyn config::Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<config::Map<String, config::Value>, config::ConfigError> {
        Ok(self.0.clone())
    }
}

fn to_value(source: &Source, node: &Node) -> config::Value {
    let origin = source.to_string();
    let kind = match &node.content {
        Content::Text(text) => config::ValueKind::String(text.clone()),
        Content::Integer(number) => config::ValueKind::I64(*number),
        Content::Boolean(boolean) => config::ValueKind::Boolean(*boolean),
        // No key holds these: they did not pass the check.
        Content::Float | Content::Date => config::ValueKind::Nil,
        Content::List(items) => {
            config::ValueKind::Array(items.iter().map(|item| to_value(source, item)).collect())
        }
        Content::Table(entries) => {
            let entry = |entry: &Entry| (entry.key.clone(), to_value(source, &entry.value));
            config::ValueKind::Table(entries.iter().map(entry).collect())
        }
    };
    config::Value::new(Some(&origin), kind)
}

#[cfg(test)]
#[path = "layers_tests.rs"]
mod tests;
