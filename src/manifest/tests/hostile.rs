//! Texts that mean harm: an answer, and no crash. What it may take is held to its bounds by `tests/manifest.rs`.

use super::{World, faults};

const MIB: usize = 1 << 20;

fn repeated(start: &str, unit: &str) -> Vec<u8> {
    let times = (MIB - start.len()) / unit.len();
    [start.as_bytes(), &unit.as_bytes().repeat(times)].concat()
}

#[test]
fn no_text_crashes_it() {
    let bomb = (0..30).fold("a0: &a0 [x]\n".to_owned(), |text, i| {
        let next = i + 1;
        format!("{text}a{next}: &a{next} [*a{i}, *a{i}, *a{i}, *a{i}, *a{i}, *a{i}, *a{i}, *a{i}, *a{i}]\n")
    });
    let chain = (0..20_000).fold("a0: &a0 [x]\n".to_owned(), |text, i| {
        format!("{text}a{0}: &a{0} [*a{i}]\n", i + 1)
    });
    let merges = (0..30_000).fold("- &m {".to_owned(), |text, i| format!("{text}k{i}: 1, "))
        + "}\n"
        + &"- {<<: *m}\n".repeat(10_000);
    let stairs: String = (0..1400)
        .map(|depth| format!("{}a:\n", " ".repeat(depth)))
        .collect();
    let keys: String = (0..95_000).map(|i| format!("a{i}: 1\n")).collect();
    let unknown: String = (0..20_000).map(|i| format!("  x{i}: 1\n")).collect();
    let texts: Vec<(&str, Vec<u8>)> = vec![
        ("deep lists", repeated("", "[")),
        ("deep maps", repeated("", "{a: ")),
        ("deep JSON", repeated("", "{\"a\":")),
        ("deep dashes", repeated("", "- ")),
        ("deep questions", repeated("", "? ")),
        ("stairs", stairs.into_bytes()),
        ("a bomb", bomb.into_bytes()),
        ("a chain", chain.into_bytes()),
        ("merges", merges.into_bytes()),
        ("many keys", keys.into_bytes()),
        (
            "many unknown fields",
            format!("containers:\n- name: a\n{unknown}").into_bytes(),
        ),
        ("a long list", repeated("[", "a,")),
        ("a long line of words", repeated("", "a ")),
        ("one word", repeated("", "a")),
        ("one text", repeated("\"", "\\n")),
        ("empty lines", repeated("", "\n")),
        ("anchors", repeated("", "- &a x\n")),
        ("documents", repeated("", "---\n")),
        ("small documents", repeated("", "--- a\n")),
        (
            "services",
            "---\nkind: Service\n".repeat(20_000).into_bytes(),
        ),
        (
            "pods",
            "---\n{apiVersion: v1, kind: Pod}\n"
                .repeat(15_000)
                .into_bytes(),
        ),
        ("a folded block", repeated("a: >\n", "\n\n x\n")),
        ("colons", repeated("", ": ")),
        ("tags", repeated("", "!<a> ")),
        ("comments", repeated("", "#\n")),
        (
            "bytes that are no text",
            (0..MIB).map(|i| (i * 7 % 256) as u8).collect(),
        ),
        (
            "almost text",
            [b"a: \"".to_vec(), vec![0xc3; 1000]].concat(),
        ),
        ("zeros", vec![0; MIB]),
        ("UTF-16", b"\xff\xfe{\0}\0".to_vec()),
    ];
    for (name, text) in texts {
        let told = faults(&text);
        assert!(told.len() <= 51, "{name}: {}", told.len());
        assert!(
            told.iter().all(|fault| fault.len() < 2000),
            "{name}: {told:?}"
        );
    }
}

#[test]
fn a_thousand_containers_are_no_attack() {
    let container = |i| {
        format!(
            "- {{name: c{i}, command: [sleep, '1'], livenessProbe: {{exec: {{command: [x]}}}}, env: [{{name: A, value: b}}], \
             lifecycle: {{preStop: {{sleep: {{seconds: 1}}}}}}}}\n"
        )
    };
    let text: String = "containers:\n"
        .chars()
        .map(String::from)
        .chain((0..1000).map(container))
        .collect();
    let understood = World::default().understood(&text);
    assert_eq!(understood.pod.containers.len(), 1000);
}

#[test]
fn bytes_that_are_no_text_are_said_with_their_place() {
    assert_eq!(faults(b"a: b\nc: \xff"), ["x:2:4: this is not UTF-8 text"]);
    assert_eq!(
        faults(b"a: b\n\xc3\xa4: \0"),
        ["x:2:4: a NUL byte, which no text has"]
    );
}
