//! Resource models of switches: the schema of the files in `models/`, and what is impossible in one.
//!
//! `docs/src/models.md` explains every field. A figure that is left out is unbounded.

use std::collections::{BTreeMap, BTreeSet};

use trisect_ir::MatchKind;
use trisect_ir::diag::Diagnostic;
use trisect_ir::toml_text::{self, Step};
use trisect_target::{Capability, Resources, Support, resource};

use crate::codes;

/// The files in `models/`, the default first.
const MODELS: [&str; 5] = [
    include_str!("../models/bmv2.toml"),
    include_str!("../models/rmt-32.toml"),
    include_str!("../models/tofino-12.toml"),
    include_str!("../models/tofino2-20.toml"),
    include_str!("../models/trident-fixed.toml"),
];

/// A figure that a model can state: its path in the file, and the least and largest value that can be.
struct Figure {
    path: &'static str,
    least: u32,
    most: u32,
}

const fn figure(path: &'static str, least: u32, most: u32) -> Figure {
    Figure { path, least, most }
}

/// All figures, in the order in which they are listed. The largest values are far above any chip's: they
/// catch a bit count written where blocks are meant, and keep sums within 64 bits.
const FIGURES: [Figure; 20] = [
    figure("stages", 1, 256),
    figure("header_vector_bits", 512, 65_536),
    figure("parser_states", 1, 65_536),
    figure("parser_entries", 1, 65_536),
    figure("recirculation_gbps", 0, 100_000),
    figure("updates_per_second", 1, 1_000_000_000),
    figure("stage.sram.blocks", 0, 65_536),
    figure("stage.sram.width", 1, 4096),
    figure("stage.sram.depth", 1, 1 << 20),
    figure("stage.tcam.blocks", 0, 65_536),
    figure("stage.tcam.width", 1, 4096),
    figure("stage.tcam.depth", 1, 8192),
    figure("stage.hash_units", 0, 1024),
    figure("stage.action_units", 1, 65_536),
    figure("stage.action_slots", 1, 65_536),
    figure("stage.exact_crossbar_bytes", 0, 8192),
    figure("stage.ternary_crossbar_bytes", 0, 8192),
    figure("stage.table_ids", 1, 1024),
    figure("stage.stateful_units", 0, 1024),
    figure("stage.counter_units", 0, 1024),
];
/// Actions that a table of a fixed pipeline can have.
pub(crate) const FIXED_ACTIONS: [&str; 6] = [
    "forward",
    "drop",
    "count",
    "set-mac",
    "decrement-ttl",
    "set-metadata",
];

/// A resource model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwitchModel {
    /// Name, as rack files write it.
    pub name: String,
    /// One line for people.
    pub description: String,
    /// Figures by their path in the file: `stages`, `stage.sram.blocks`.
    pub figures: BTreeMap<String, u32>,
    /// The tables of a fixed pipeline, in its order. Empty: the pipeline is programmable.
    pub tables: Vec<FixedTable>,
    /// Where each figure comes from: by path, and by `table.NAME`.
    pub source: BTreeMap<String, String>,
}

/// A table of a fixed pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixedTable {
    /// Name: `l3_route`.
    pub name: String,
    /// Entries that it holds.
    pub entries: u32,
    /// How its keys can match.
    pub kinds: Vec<MatchKind>,
    /// Header fields (`ipv4.dst`) and standard metadata (`ingress_port`) that its keys can be.
    pub fields: Vec<String>,
    /// What its entries can do: `forward`, `drop`, `count`, `set-mac`, `decrement-ttl`, `set-metadata`.
    pub actions: Vec<String>,
    /// Whether classification and tunnels to servers are entries of it.
    pub steers: bool,
}

/// Memory of a stage: blocks of `depth` words of `width` bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Memory {
    /// Blocks; `None`: any number.
    pub blocks: Option<u64>,
    /// Bits of a word.
    pub width: u64,
    /// Words of a block.
    pub depth: u64,
}

impl Memory {
    /// Blocks for so many cells. A cell wider than a word lies in blocks side by side; of narrower ones
    /// several lie in a word, none across two words.
    pub fn needed(&self, cells: u64, width: u64) -> u64 {
        if cells == 0 || width == 0 {
            return 0;
        }
        let per_word = (self.width / width).max(1);
        let words = cells.div_ceil(per_word);
        words
            .div_ceil(self.depth)
            .saturating_mul(width.div_ceil(self.width))
    }
    /// Whether blocks are bits.
    pub fn counts_bits(&self) -> bool {
        self.width == 1 && self.depth == 1
    }
}

impl SwitchModel {
    /// The models that come with this crate, the default first. (A test reads every file, so that none
    /// is left out here.)
    pub fn builtin() -> Vec<Self> {
        MODELS
            .iter()
            .filter_map(|text| Self::parse(text, "model").ok())
            .collect()
    }

    /// The model of that name that comes with this crate.
    pub fn named(name: &str) -> Option<Self> {
        Self::builtin().into_iter().find(|model| model.name == name)
    }

    /// Reads a model. `file` names it in diagnostics.
    ///
    /// # Errors
    /// One diagnostic for malformed TOML, else one for each field that cannot be (E0451).
    pub fn parse(text: &str, file: &str) -> Result<Self, Vec<Diagnostic>> {
        let root: toml::Table = toml_text::parse(text, file, codes::MODEL)?;
        let mut reader = Reader {
            text,
            file,
            found: Vec::new(),
        };
        let model = reader.model(&root);
        if reader.found.is_empty() {
            Ok(model)
        } else {
            Err(reader.found)
        }
    }

    /// The figures and fixed tables with their sources, for people.
    pub fn listing(&self) -> Vec<Capability> {
        let source = |path: &str| self.source.get(path).map_or("", String::as_str);
        let figures = self.figures.iter().map(|(path, value)| {
            let text = format!("{value} ({})", source(path));
            Capability::new("figure", path, Support::Limited(text))
        });
        let tables = self.tables.iter().map(|table| {
            let text = format!(
                "{} entries of {}: {} ({})",
                table.entries,
                table.fields.join(", "),
                table.actions.join(", "),
                source(&format!("table.{}", table.name))
            );
            Capability::new("table", &table.name, Support::Limited(text))
        });
        figures.chain(tables).collect()
    }

    fn figure(&self, path: &str) -> Option<u64> {
        self.figures.get(path).map(|n| u64::from(*n))
    }

    /// Memory of one kind, `sram` or `tcam`, in each stage.
    pub(crate) fn memory(&self, kind: &str) -> Memory {
        let figure = |name| self.figure(&format!("stage.{kind}.{name}"));
        Memory {
            blocks: figure("blocks"),
            width: figure("width").unwrap_or(1),
            depth: figure("depth").unwrap_or(1),
        }
    }

    /// A quantity of each stage that is no memory.
    pub(crate) fn per_stage(&self, name: &str) -> Option<u64> {
        self.figure(&format!("stage.{name}"))
    }

    /// Match-action stages.
    pub fn stages(&self) -> Option<u64> {
        self.figure("stages")
    }

    /// Quantities of the whole pipeline that a piece must not exceed.
    pub(crate) fn whole(&self) -> Resources {
        let figures = [
            (resource::STAGES, "stages"),
            (resource::PARSER_STATES, "parser_states"),
            (PARSER_ENTRIES, "parser_entries"),
            (HEADER_BITS, "header_vector_bits"),
            (resource::UPDATES, "updates_per_second"),
        ];
        let stated = figures
            .into_iter()
            .filter_map(|(name, path)| Some((name.to_owned(), self.figure(path)?)));
        let tables = self.tables.iter();
        let fixed = tables.map(|table| (entries_of(&table.name), u64::from(table.entries)));
        stated.chain(fixed).collect()
    }
}

/// Name of the quantity: rows of the parser's TCAM.
pub(crate) const PARSER_ENTRIES: &str = "parser_entries";
/// Name of the quantity: bits of headers and metadata that a packet carries through the pipeline.
pub(crate) const HEADER_BITS: &str = "header_vector_bits";

/// Name of the quantity: entries of a table of a fixed pipeline.
pub(crate) fn entries_of(table: &str) -> String {
    format!("{table}_entries")
}

/// The value at a path such as `stage.sram.blocks`.
fn value_at<'t>(root: &'t toml::Table, path: &str) -> Option<&'t toml::Value> {
    let mut keys = path.split('.');
    let first = root.get(keys.next()?)?;
    keys.try_fold(first, |value, key| value.get(key))
}

struct Reader<'a> {
    text: &'a str,
    file: &'a str,
    found: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn report(&mut self, path: &[Step<'_>], message: String, help: &str) {
        let span = toml_text::span_at(self.text, path);
        let found = Diagnostic::error(codes::MODEL, self.file, span, message);
        self.found.push(found.help(help));
    }

    fn model(&mut self, root: &toml::Table) -> SwitchModel {
        let mut model = SwitchModel {
            name: self.string(root, &[], "name"),
            description: self.string(root, &[], "description"),
            figures: BTreeMap::new(),
            tables: Vec::new(),
            source: BTreeMap::new(),
        };
        self.known(root, "", &["name", "description", "table", "source"]);
        for figure in &FIGURES {
            if let Some(value) = self.figure(root, figure) {
                model.figures.insert(figure.path.to_owned(), value);
            }
        }
        match root.get("table") {
            None => {}
            Some(toml::Value::Array(tables)) => {
                for (index, table) in tables.iter().enumerate() {
                    let table = self.fixed(table, &[Step::Key("table"), Step::Index(index)]);
                    model.tables.extend(table);
                }
            }
            Some(_) => {
                let message = "`table` is a list: [[table]]".to_owned();
                self.report(&[Step::Key("table")], message, "begin it with [[table]]");
            }
        }
        self.contradictions(root, &model);
        // An impossible figure needs no source.
        if self.found.is_empty() {
            self.sources(root, &mut model);
        }
        model
    }

    /// Reports the keys of this table and the tables in it that no figure has.
    fn known(&mut self, table: &toml::Table, prefix: &str, others: &[&str]) {
        for (key, value) in table {
            let path = format!("{prefix}{key}");
            let inner = format!("{path}.");
            let is_section = FIGURES.iter().any(|f| f.path.starts_with(&inner));
            match value {
                toml::Value::Table(section) if is_section => self.known(section, &inner, &[]),
                _ if others.contains(&key.as_str()) => {}
                _ if FIGURES.iter().any(|f| f.path == path) => {}
                _ => {
                    let message = format!("there is no field `{path}`");
                    let steps: Vec<Step<'_>> = path.split('.').map(Step::Key).collect();
                    self.report(&steps, message, "docs/src/models.md lists the fields");
                }
            }
        }
    }

    fn figure(&mut self, root: &toml::Table, figure: &Figure) -> Option<u32> {
        let steps: Vec<Step<'_>> = figure.path.split('.').map(Step::Key).collect();
        let value = value_at(root, figure.path)?;
        self.number(value, &steps, figure.path, figure.least, figure.most)
    }

    fn number(
        &mut self,
        value: &toml::Value,
        path: &[Step<'_>],
        name: &str,
        least: u32,
        most: u32,
    ) -> Option<u32> {
        let number = value.as_integer();
        let fits = number
            .and_then(|n| u32::try_from(n).ok())
            .filter(|n| (least..=most).contains(n));
        if fits.is_none() {
            let message = format!("`{name}` cannot be {value}");
            let help = format!("a whole number from {least} to {most}, or leave it out: unbounded");
            self.report(path, message, &help);
        }
        fits
    }

    fn string(&mut self, table: &toml::Table, at: &[Step<'_>], key: &str) -> String {
        match table.get(key).and_then(toml::Value::as_str) {
            Some(text) if !text.is_empty() => text.to_owned(),
            _ => {
                let path: Vec<Step<'_>> = at.iter().copied().chain([Step::Key(key)]).collect();
                let message = format!("`{key}` must be a text");
                self.report(&path, message, &format!("write {key} = \"...\""));
                String::new()
            }
        }
    }

    /// A list of words, all of which must be among the known ones, if these are given.
    fn words(
        &mut self,
        table: &toml::Table,
        at: &[Step<'_>],
        key: &str,
        known: Option<&[&str]>,
    ) -> Vec<String> {
        let path: Vec<Step<'_>> = at.iter().copied().chain([Step::Key(key)]).collect();
        let Some(list) = table.get(key).and_then(toml::Value::as_array) else {
            let message = format!("`{key}` must be a list of texts");
            self.report(&path, message, &format!("write {key} = [\"...\"]"));
            return Vec::new();
        };
        let mut words = Vec::new();
        for value in list {
            match value.as_str() {
                Some(word) if known.is_none_or(|known| known.contains(&word)) => {
                    words.push(word.to_owned());
                }
                _ => {
                    let help = known.map_or("texts only".to_owned(), |known| known.join(", "));
                    self.report(&path, format!("`{key}` cannot hold {value}"), &help);
                }
            }
        }
        words
    }

    fn fixed(&mut self, value: &toml::Value, at: &[Step<'_>]) -> Option<FixedTable> {
        const KINDS: [(&str, MatchKind); 4] = [
            ("exact", MatchKind::Exact),
            ("lpm", MatchKind::Lpm),
            ("ternary", MatchKind::Ternary),
            ("optional", MatchKind::Optional),
        ];
        const FIELDS: [&str; 6] = ["name", "entries", "match", "fields", "actions", "steers"];
        let Some(table) = value.as_table() else {
            self.report(at, "a table has fields".to_owned(), "write [[table]]");
            return None;
        };
        let path = |key| -> Vec<Step<'_>> { at.iter().copied().chain([Step::Key(key)]).collect() };
        for key in table.keys().filter(|key| !FIELDS.contains(&key.as_str())) {
            let message = format!("a table has no field `{key}`");
            self.report(&path(key), message, &FIELDS.join(", "));
        }
        let entries = match table.get("entries") {
            Some(n) => self.number(n, &path("entries"), "entries", 1, 1 << 24),
            None => {
                let message = "the table does not say how many entries it holds".to_owned();
                self.report(at, message, "write entries = 2048");
                None
            }
        };
        let kinds = self.words(table, at, "match", Some(&KINDS.map(|(name, _)| name)));
        let steers = table.get("steers").map(toml::Value::as_bool);
        if steers == Some(None) {
            let message = "`steers` is true or false".to_owned();
            self.report(&path("steers"), message, "write steers = true");
        }
        Some(FixedTable {
            name: self.string(table, at, "name"),
            entries: entries.unwrap_or(1),
            kinds: KINDS
                .iter()
                .filter(|(name, _)| kinds.iter().any(|k| k == name))
                .map(|(_, kind)| *kind)
                .collect(),
            fields: self.words(table, at, "fields", None),
            actions: self.words(table, at, "actions", Some(&FIXED_ACTIONS)),
            steers: steers.flatten().unwrap_or(false),
        })
    }

    fn contradictions(&mut self, root: &toml::Table, model: &SwitchModel) {
        // What is there and impossible has been reported.
        let has = |path: &str| value_at(root, path).is_some();
        for kind in ["sram", "tcam"] {
            let part = |name: &str| format!("stage.{kind}.{name}");
            let geometry = has(&part("width")) && has(&part("depth"));
            if has(&part("blocks")) && !geometry {
                let message = format!("blocks of {kind} without `width` and `depth`");
                let path = [Step::Key("stage"), Step::Key(kind), Step::Key("blocks")];
                self.report(&path, message, "say how large a block is");
            }
        }
        let pair = (
            model.figures.get("parser_entries"),
            model.figures.get("parser_states"),
        );
        if let (Some(entries), Some(states)) = pair
            && entries < states
        {
            let message = format!("{entries} parser entries are too few for {states} states");
            let help = "a state takes at least one entry";
            self.report(&[Step::Key("parser_entries")], message, help);
        }
        if !model.tables.is_empty() && model.figures.keys().any(|path| path.starts_with("stage")) {
            let message = "a fixed pipeline has tables, not stages".to_owned();
            let help = "leave out either [[table]], or `stages` and [stage]";
            self.report(&[Step::Key("table")], message, help);
        }
        let mut names = BTreeSet::new();
        for (index, table) in model.tables.iter().enumerate() {
            if !names.insert(&table.name) {
                let message = format!("two tables are called `{}`", table.name);
                let path = [Step::Key("table"), Step::Index(index), Step::Key("name")];
                self.report(&path, message, "rename one of the two");
            }
        }
    }

    /// Every figure has its source, and every source its figure.
    fn sources(&mut self, root: &toml::Table, model: &mut SwitchModel) {
        if let Some(toml::Value::Table(sources)) = root.get("source") {
            for (key, value) in sources {
                let text = value.as_str().unwrap_or_default();
                if text.is_empty() {
                    let message = format!("the source of `{key}` must be a text");
                    let path = [Step::Key("source"), Step::Key(key)];
                    self.report(&path, message, "name the paper, manual or assumption");
                }
                model.source.insert(key.clone(), text.to_owned());
            }
        }
        let tables = model.tables.iter().map(|t| format!("table.{}", t.name));
        let stated: BTreeSet<String> = model.figures.keys().cloned().chain(tables).collect();
        for path in stated.iter().filter(|p| !model.source.contains_key(*p)) {
            let message = format!("`{path}` has no source");
            let help = format!("add \"{path}\" = \"...\" to [source]; an assumption says so");
            self.report(&[Step::Key("source")], message, &help);
        }
        for path in model.source.keys().filter(|path| !stated.contains(*path)) {
            let message = format!("a source for `{path}`, which the model does not state");
            let at = [Step::Key("source"), Step::Key(path)];
            self.report(&at, message, "state the figure, or leave its source out");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used)] // a test fails by panicking

    use super::*;

    fn refused(text: &str) -> Vec<String> {
        let found = SwitchModel::parse(text, "x.toml").expect_err("must be refused");
        assert!(found.iter().all(|d| d.code == codes::MODEL));
        assert!(found.iter().all(|d| !d.help.is_empty()));
        found.into_iter().map(|d| d.message).collect()
    }

    #[test]
    fn every_file_is_read() {
        for text in MODELS {
            let model = SwitchModel::parse(text, "model");
            assert!(model.is_ok(), "{model:?}");
        }
        let names: Vec<String> = SwitchModel::builtin().into_iter().map(|m| m.name).collect();
        let expected = ["bmv2", "rmt-32", "tofino-12", "tofino2-20", "trident-fixed"];
        assert_eq!(names, expected);
    }

    #[test]
    fn impossible_figures_are_refused_field_by_field() {
        let text = MODELS[1]
            .replace("stages = 32\n", "stages = 0\n")
            .replace("width = 112", "width = 0")
            .replace("depth = 2048", "depth = 100000")
            .replace("hash_units = 8", "hash_units = -1\nhash_unit = 3")
            .replace("parser_entries = 256", "parser_entries = 16");
        let messages = refused(&text);
        for expected in [
            "`stages` cannot be 0",
            "`stage.sram.width` cannot be 0",
            "`stage.tcam.depth` cannot be 100000",
            "`stage.hash_units` cannot be -1",
            "there is no field `stage.hash_unit`",
            "16 parser entries are too few for 256 states",
        ] {
            assert!(messages.iter().any(|m| m == expected), "{messages:?}");
        }
    }

    #[test]
    fn a_diagnostic_points_at_its_value() {
        let text = MODELS[1].replace("depth = 2048", "depth = 100000");
        let found = SwitchModel::parse(&text, "x.toml").expect_err("must be refused");
        let places: Vec<&str> = found.iter().map(|d| d.span.text(&text)).collect();
        assert!(places.contains(&"100000"), "{places:?}");
    }

    #[test]
    fn figures_and_sources_go_together() {
        let text = MODELS[1].replace("header_vector_bits = \"", "header_bits = \"");
        let messages = refused(&text).join("; ");
        assert!(messages.contains("`header_vector_bits` has no source"));
        assert!(messages.contains("`header_bits`, which the model does not state"));
    }

    #[test]
    fn a_fixed_pipeline_has_tables_only() {
        let text = MODELS[4].replace("[source]", "[stage]\nhash_units = 1\n[source]");
        assert!(refused(&text).join("; ").contains("tables, not stages"));
        let text = MODELS[4].replace("\"lpm\"]", "\"longest\"]");
        assert!(refused(&text).join("; ").contains("`match` cannot hold"));
    }

    #[test]
    fn memory_is_counted_in_blocks() {
        let rmt = SwitchModel::named("rmt-32").expect("there is one");
        let tcam = rmt.memory("tcam");
        // 104 bits of key are three blocks of 40 side by side; 5,000 entries are three of 2,048 in a row.
        assert_eq!(tcam.needed(5000, 104), 9);
        // Three cells of 36 bits lie in a word of 112.
        assert_eq!(rmt.memory("sram").needed(3072, 36), 1);
        assert_eq!(rmt.memory("sram").needed(3073, 36), 2);
        let bits = SwitchModel::named("bmv2").expect("there is one");
        assert_eq!(bits.memory("tcam").needed(100, 33), 3300);
    }
}
