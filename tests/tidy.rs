//! Checks on the tree itself, so that the map stays true: who may look at whom, what may not be said where, what must
//! be written down.
//!
//! They read the sources as text, line by line, and understand just enough Rust for this tree; when one of them is in
//! the way of honest code, teach it. What a compiler or clippy checks is not checked again here.

use monopod::cli::flags;
use monopod::manifest::fates;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A file is one sitting long; this is where sitting becomes unhealthy.
const LONGEST: usize = 600;

/// What may be said only in these places, and why. A place is the beginning of a path under `src`; code for tests and
/// comments are free.
const WORDS: [(&str, &[&str], &str); 15] = [
    (
        "println!",
        &[],
        "PID 1 prints through the writer that never blocks",
    ),
    (
        "eprintln!",
        &[],
        "PID 1 prints through the writer that never blocks",
    ),
    (
        "print!",
        &[],
        "PID 1 prints through the writer that never blocks",
    ),
    (
        "dbg!",
        &[],
        "PID 1 prints through the writer that never blocks",
    ),
    (
        "process::exit",
        &[],
        "only main leaves, by returning its code",
    ),
    (
        "Instant::now",
        &["linux/clock.rs", "net/", "relay/follow.rs"],
        "the core has one clock, and nobody decides by it",
    ),
    (
        "SystemTime::now",
        &[
            "linux/log.rs",
            "linux/clock.rs",
            "net/client.rs",
            "relay/stamp.rs",
        ],
        "wall time is for people",
    ),
    (
        "std::net",
        &["plan/", "cli/", "net/"],
        "nobody else knows of networks",
    ),
    ("std::thread", &[], "one thread in every process"),
    (
        "std::process::Command",
        &[],
        "children are started by linux/spawn.rs, which knows what they inherit",
    ),
    (
        "std::fs",
        &[
            "linux/",
            "main.rs",
            "net/probes/names.rs",
            "net/cgroup.rs",
            "net/control.rs",
            "net/client.rs",
            "relay/fifo.rs",
            "relay/follow.rs",
            "walk.rs",
        ],
        "files are the hands' business, who come to them by `walk`; the socket's, the cgroup's and those that name hosts \
         are net's, captured ones the relay's",
    ),
    (
        "std::env",
        &["linux/", "main.rs"],
        "the environment is read once and handed down",
    ),
    (
        "unsafe",
        &[
            "linux/",
            "net/",
            "relay/",
            "confine.rs",
            "descriptors.rs",
            "main.rs",
        ],
        "nobody else makes system calls",
    ),
    (".unwrap()", &[], "what cannot happen says why: expect"),
    (
        "static mut",
        &[],
        "there is one thread, and signal handlers",
    ),
];

#[test]
fn a_room_looks_only_at_rooms_of_lower_rank() {
    let ranks = ranks();
    let mut faults = Vec::new();
    for file in rust_files("src") {
        let Some(room) = room(&file) else { continue };
        for (number, line) in code_lines(&text(&file)) {
            if leaves_by_super(&file, &line) {
                faults.push(format!(
                    "{}:{number}: leaves its room by super",
                    file.display()
                ));
            }
        }
        for other in rooms_named_in(&code(&text(&file))) {
            let allowed = other == room
                || match (ranks.get(&room), ranks.get(&other)) {
                    (Some(own), Some(others)) => others < own,
                    _ => false,
                };
            if !allowed {
                faults.push(format!("{}: {room} looks at {other}", file.display()));
            }
        }
    }
    assert_eq!(faults, Vec::<String>::new());
}

#[test]
fn every_room_stands_in_the_table_and_on_the_map() {
    let on_disk: BTreeSet<String> = rust_files("src")
        .iter()
        .filter_map(|file| room(file))
        .collect();
    let in_table: BTreeSet<String> = ranks().into_keys().collect();
    assert_eq!(
        on_disk, in_table,
        "the rooms under src and those in the table of src/lib.rs"
    );
    let map = text(&root().join("ARCHITECTURE.md"));
    for (room, rank) in ranks() {
        assert!(
            map.contains(&format!("| `{room}` | {rank} |")),
            "ARCHITECTURE.md: {room} has rank {rank}"
        );
    }
}

#[test]
fn every_file_begins_with_what_it_is_for() {
    let silent: Vec<PathBuf> = all_rust_files()
        .into_iter()
        .filter(|file| !text(file).starts_with("//! "))
        .collect();
    assert_eq!(silent, Vec::<PathBuf>::new());
}

#[test]
fn no_file_is_longer_than_one_sitting() {
    let long: Vec<(PathBuf, usize)> = all_rust_files()
        .into_iter()
        .map(|file| (file.clone(), text(&file).lines().count()))
        .filter(|(_, lines)| *lines > LONGEST)
        .collect();
    assert_eq!(long, Vec::new());
}

#[test]
fn no_word_is_said_in_the_wrong_room() {
    let mut faults = Vec::new();
    for file in rust_files("src") {
        let place = relative(&file, "src");
        if is_test_file(&file) {
            continue;
        }
        for (number, line) in code_lines(without_tests(&text(&file))) {
            for (word, places, why) in WORDS {
                let free = places.iter().any(|allowed| place.starts_with(allowed));
                if !free && says(&line, word) {
                    faults.push(format!("{place}:{number}: {word} ({why})"));
                }
            }
        }
    }
    assert_eq!(faults, Vec::<String>::new());
}

#[test]
fn every_unsafe_block_says_why_it_is_safe() {
    let mut faults = Vec::new();
    for file in rust_files("src") {
        let text = text(&file);
        let lines: Vec<&str> = text.lines().collect();
        for (number, line) in code_lines(&text) {
            let opens = ["unsafe {", "unsafe impl"]
                .iter()
                .any(|opening| line.contains(opening));
            if opens && !is_explained(&lines[..number - 1]) {
                faults.push(format!("{}:{number}: {}", file.display(), line.trim()));
            }
        }
    }
    assert_eq!(faults, Vec::<String>::new());
}

#[test]
fn no_file_is_dead() {
    for (folder, trunks) in [
        ("src", &["src/lib.rs", "src/main.rs"][..]),
        (
            "tests",
            &[
                "tests/asks.rs",
                "tests/beside_others.rs",
                "tests/bug.rs",
                "tests/hands/main.rs",
                "tests/manifest.rs",
                "tests/probes.rs",
                "tests/real/main.rs",
                "tests/relay/main.rs",
                "tests/sim/main.rs",
                "tests/tidy.rs",
            ][..],
        ),
        (
            "benches",
            &[
                "benches/peers/main.rs",
                "benches/probe_cost/main.rs",
                "benches/relay/main.rs",
                "benches/services/main.rs",
            ][..],
        ),
    ] {
        let mut alive = BTreeSet::new();
        let mut to_visit: Vec<PathBuf> = trunks.iter().map(|trunk| root().join(trunk)).collect();
        while let Some(file) = to_visit.pop() {
            to_visit.extend(modules_of(&file));
            alive.insert(file);
        }
        let on_disk: BTreeSet<PathBuf> = rust_files(folder).into_iter().collect();
        assert_eq!(
            on_disk, alive,
            "the files under {folder} and those that are compiled"
        );
    }
}

#[test]
fn the_readme_knows_every_flag_and_no_other() {
    let readme = text(&root().join("README.md"));
    for flag in flags::RUN {
        let row = match flag.variable {
            Some(variable) => format!("| `{}` | `{variable}` |", flag.usage()),
            None => format!("`--{}`", flag.name),
        };
        assert!(readme.contains(&row), "README.md has no {row}");
    }
    let checks_own = flags::CHECK
        .into_iter()
        .filter(|flag| !flags::RUN.iter().any(|known| known.name == flag.name));
    let others = flags::PROBE.into_iter().chain(flags::ASK);
    for flag in others.chain(checks_own) {
        for word in [format!("--{}", flag.name)]
            .iter()
            .map(String::as_str)
            .chain(flag.variable)
        {
            assert!(
                readme.contains(&format!("`{word}")),
                "README.md has no `{word}`"
            );
        }
    }
    let rows = readme
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|row| {
            row.strip_prefix("--")
                .or(row.split_once(", --").map(|(_, row)| row))
        });
    for row in rows {
        let name = row.split(['`', ' ']).next().unwrap_or_default();
        assert!(
            flags::RUN.iter().any(|flag| flag.name == name),
            "README.md explains --{name}"
        );
    }
}

#[test]
fn the_readme_has_the_table_of_fates_and_the_first_example() {
    let readme = text(&root().join("README.md"));
    let table = fates::markdown();
    assert!(
        readme.contains(&table),
        "README.md lacks this table:\n{table}"
    );
    let example = text(&root().join("examples/web.yaml"));
    assert!(
        readme.contains(&format!("```yaml\n{example}```")),
        "README.md lacks examples/web.yaml"
    );
}

#[test]
fn no_text_names_a_variable_that_is_not_read() {
    let known: BTreeSet<&str> = flags::RUN
        .iter()
        .chain(&flags::PROBE)
        .chain(&flags::ASK)
        .filter_map(|flag| flag.variable)
        .chain([monopod::linux::MARK])
        .collect();
    let examples = files(&root().join("examples"));
    let pages =
        ["README.md", "ARCHITECTURE.md", "Dockerfile.example"].map(|page| root().join(page));
    for page in pages.into_iter().chain(examples) {
        let text = text(&page);
        let words = text.split(|c: char| !(c.is_ascii_uppercase() || c == '_'));
        for word in words.filter(|word| word.starts_with("MONOPOD_") && !word.ends_with('_')) {
            assert!(known.contains(word), "{} names {word}", page.display());
        }
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn text(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
    {
        let path = entry
            .expect("a folder that can be opened can be read")
            .path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found
}

fn rust_files(folder: &str) -> Vec<PathBuf> {
    let is_rust = |file: &PathBuf| file.extension().is_some_and(|extension| extension == "rs");
    files(&root().join(folder))
        .into_iter()
        .filter(is_rust)
        .collect()
}

fn all_rust_files() -> Vec<PathBuf> {
    ["src", "tests", "benches"]
        .into_iter()
        .flat_map(rust_files)
        .collect()
}

fn relative(file: &Path, folder: &str) -> String {
    let inside = file.strip_prefix(root().join(folder)).unwrap_or(file);
    inside.to_string_lossy().into_owned()
}

/// The room that a file of `src` belongs to; `lib.rs` and `main.rs` put rooms together and are none.
fn room(file: &Path) -> Option<String> {
    let path = relative(file, "src");
    let first = path.split('/').next()?;
    let name = first.strip_suffix(".rs").unwrap_or(first);
    (!matches!(name, "lib" | "main")).then(|| name.to_owned())
}

/// The table at the head of `src/lib.rs`.
fn ranks() -> BTreeMap<String, u32> {
    let head = text(&root().join("src/lib.rs"));
    let rows = head
        .lines()
        .filter_map(|line| line.strip_prefix("//! | [`"));
    rows.map(|row| {
        let (room, rest) = row
            .split_once("`] | ")
            .expect("a row is a room, a rank and a purpose");
        let rank = rest.split(' ').next().and_then(|rank| rank.parse().ok());
        (room.to_owned(), rank.expect("a rank is a number"))
    })
    .collect()
}

/// The lines that are not comments, with their numbers from 1.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, String)> {
    let numbered = text
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line));
    numbered
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(number, line)| {
            let code = line.split_once(" // ").map_or(line, |(code, _)| code);
            (number, code.to_owned())
        })
}

fn code(text: &str) -> String {
    code_lines(text).map(|(_, line)| line + "\n").collect()
}

/// The text up to its unit tests, which stand at the end of a file.
fn without_tests(text: &str) -> &str {
    text.split_once("\n#[cfg(test)]\nmod tests {")
        .map_or(text, |(code, _)| code)
}

fn is_test_file(file: &Path) -> bool {
    file.file_stem()
        .is_some_and(|stem| stem.to_string_lossy().ends_with("tests"))
}

/// Whether the word stands there as itself, not as the end of a longer one.
fn says(line: &str, word: &str) -> bool {
    // A word of browsers, in the head of a page.
    let line = line.replace("'unsafe-inline'", "");
    let is_inner = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(place, _)| {
        let before = line[..place].chars().next_back();
        let after = line[place + word.len()..].chars().next();
        let starts = !word.starts_with(is_inner) || !before.is_some_and(is_inner);
        let ends = !word.ends_with(is_inner) || !after.is_some_and(is_inner);
        starts && ends
    })
}

/// Every `x` of `crate::x` and `crate::{x, y::z}`.
fn rooms_named_in(code: &str) -> BTreeSet<String> {
    let mut rooms = BTreeSet::new();
    for (_, rest) in code
        .match_indices("crate::")
        .map(|(place, word)| code.split_at(place + word.len()))
    {
        let mut depth = 0;
        let mut names = vec![String::new()];
        for c in rest.chars() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => names.push(String::new()),
                c if depth <= 1 && !c.is_whitespace() => {
                    names.last_mut().expect("there is always a name").push(c);
                }
                _ => {}
            }
            if depth == 0 && !(c.is_alphanumeric() || c == '_') {
                break;
            }
        }
        let first = |name: &String| {
            let end = name
                .find(|c: char| !(c.is_alphanumeric() || c == '_'))
                .unwrap_or(name.len());
            name[..end].to_owned()
        };
        rooms.extend(names.iter().map(first).filter(|name| !name.is_empty()));
    }
    rooms
}

/// Whether a chain of `super::` in this line leads out of the file's room, where `crate::` should say whither.
fn leaves_by_super(file: &Path, line: &str) -> bool {
    let path = relative(file, "src");
    let folders = path.matches('/').count();
    // `room.rs` and `room/mod.rs` are the room itself, `room/x.rs` is one below it.
    let depth = if path.ends_with("/mod.rs") {
        folders
    } else {
        folders + 1
    };
    // Whatever is indented may be in a module within the file.
    let inner = usize::from(line.starts_with(' '));
    (0..line.len())
        .filter(|place| line.is_char_boundary(*place))
        .any(|place| line[place..].starts_with(&"super::".repeat(depth + inner)))
}

/// Whether the statement that ends these lines is preceded by a comment that says SAFETY.
fn is_explained(before: &[&str]) -> bool {
    for (index, line) in before.iter().enumerate().rev() {
        let line = line.trim();
        if line.starts_with("//") {
            let comment = before[..=index]
                .iter()
                .rev()
                .take_while(|line| line.trim().starts_with("//"));
            return comment.into_iter().any(|line| line.contains("SAFETY:"));
        }
        if line.is_empty() || line.ends_with([';', '{', '}']) {
            return false;
        }
    }
    false
}

/// The file at `path` as seen from `folder`, without detours by `..`.
fn beside(folder: &Path, path: &str) -> PathBuf {
    let mut place = folder.to_owned();
    for step in Path::new(path) {
        match step == ".." {
            true => {
                place.pop();
            }
            false => place.push(step),
        }
    }
    place
}

/// The files of the modules that this file declares.
fn modules_of(file: &Path) -> Vec<PathBuf> {
    let stem = file.file_stem().unwrap_or_default();
    let folder = file.parent().unwrap_or(file);
    let is_trunk = stem == "mod" || stem == "main" || stem == "lib";
    let home = if is_trunk {
        folder.to_owned()
    } else {
        folder.join(stem)
    };
    let text = text(file);
    let mut modules = Vec::new();
    let mut elsewhere = None;
    for line in text.lines().map(str::trim) {
        if let Some(path) = line.strip_prefix("#[path = \"") {
            elsewhere = path.strip_suffix("\"]").map(|path| beside(folder, path));
        }
        let declared = ["pub ", "pub(crate) "]
            .iter()
            .find_map(|word| line.strip_prefix(word));
        let declared = declared.unwrap_or(line);
        let name = declared
            .strip_prefix("mod ")
            .and_then(|rest| rest.strip_suffix(';'));
        if let Some(name) = name {
            let flat = home.join(format!("{name}.rs"));
            let nested = home.join(name).join("mod.rs");
            let usual = if flat.exists() { flat } else { nested };
            modules.push(elsewhere.take().unwrap_or(usual));
        }
    }
    modules
}
