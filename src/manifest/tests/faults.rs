//! What is refused, where it stands, and what would have been right.

use super::{faults, one, only_fault, understood};

#[test]
fn all_faults_are_told_at_once_each_with_its_place() {
    let text = "apiVersion: v1
kind: Pod
metadata: {name: Web}
spec:
  restartPolicy: Sometimes
  containers:
  - name: web
    comand: [web]
    livenessProbe:
      httpGet: {port: 0}
  - name: web
    command: web
    stdin: maybe
    image: 5
";
    assert_eq!(
        faults(text),
        [
            "x:3:18: metadata.name: found \"Web\"; a name has at most 253 lower-case letters, digits, dashes and dots, \
             and each part between dots begins and ends with a letter or digit",
            "x:5:18: spec.restartPolicy: found \"Sometimes\"; allowed is Always, OnFailure, Never",
            "x:8:5: spec.containers[0]: \"comand\" is no field of a Container; did you mean command?",
            "x:10:23: spec.containers[0].livenessProbe.httpGet.port: found 0; allowed is 1 to 65535",
            "x:11:11: spec.containers[1].name: another container is named \"web\" too",
            "x:12:14: spec.containers[1].command: found the text \"web\" where a list belongs",
            "x:13:12: spec.containers[1].stdin: found the text \"maybe\" where true or false belongs",
            "x:14:12: spec.containers[1].image: found the number 5 where a text belongs; put it in quotes",
        ]
    );
}

#[test]
fn s33_and_its_kin_are_refused() {
    for (fields, expected) in [
        (
            "livenessProbe: {exec: {command: [x]}, successThreshold: 2}",
            "a livenessProbe allows 1 only",
        ),
        (
            "startupProbe: {exec: {command: [x]}, successThreshold: 2}",
            "a startupProbe allows 1 only",
        ),
        (
            "readinessProbe: {exec: {command: [x]}, terminationGracePeriodSeconds: 1}",
            "so it has no grace",
        ),
        (
            "livenessProbe: {exec: {command: [x]}, terminationGracePeriodSeconds: 0}",
            "found 0; allowed is 1 or more",
        ),
        (
            "livenessProbe: {exec: {command: [x]}, terminationGracePeriodSeconds: -1}",
            "found -1; allowed is 1 or more",
        ),
        (
            "livenessProbe: {exec: {command: [x]}, initialDelaySeconds: -1}",
            "found -1; allowed is 0 to 2147483647",
        ),
        (
            "livenessProbe: {exec: {command: [x]}, periodSeconds: -1}",
            "found -1",
        ),
        (
            "livenessProbe: {exec: {command: [x]}, timeoutSeconds: -1}",
            "found -1",
        ),
        (
            "livenessProbe: {exec: {command: [x]}, failureThreshold: 2147483648}",
            "found 2147483648",
        ),
        (
            "livenessProbe: {periodSeconds: 5}",
            "has none of exec, httpGet, tcpSocket, grpc",
        ),
        (
            "livenessProbe: {exec: {command: [x]}, tcpSocket: {port: 1}}",
            "has exec and tcpSocket; only one",
        ),
        ("livenessProbe: {exec: {command: []}}", "has no word"),
        (
            "livenessProbe: {exec: {command: ls}}",
            "where a list belongs",
        ),
        ("livenessProbe: {exec: {}}", "command is missing"),
        (
            "livenessProbe: {tcpSocket: {port: 65536}}",
            "found 65536; allowed is 1 to 65535",
        ),
        ("livenessProbe: {tcpSocket: {}}", "port is missing"),
        (
            "livenessProbe: {tcpSocket: {port: '80'}}",
            "take it out of its quotes",
        ),
        ("livenessProbe: {tcpSocket: {port: HTTP}}", "a port's name"),
        ("livenessProbe: {grpc: {port: http}}", "by its number only"),
        (
            "livenessProbe: {grpc: {port: 1, mode: tls}}",
            "allowed is Plaintext, TLS",
        ),
        (
            "livenessProbe: {httpGet: {port: 1, scheme: http}}",
            "allowed is HTTP, HTTPS",
        ),
        (
            "livenessProbe: {httpGet: {port: 1, protocol: HTTP2}}",
            "HTTP2 cannot be asked",
        ),
        (
            "livenessProbe: {httpGet: {port: 1, httpHeaders: [{name: X A, value: x}]}}",
            "a header's name",
        ),
        (
            "livenessProbe: {httpGet: {port: 1, httpHeaders: [{name: X, value: \"a\\nb\"}]}}",
            "a control character",
        ),
        (
            "lifecycle: {preStop: {}}",
            "has none of exec, httpGet, sleep, tcpSocket",
        ),
        (
            "lifecycle: {preStop: {grpc: {port: 1}}}",
            "\"grpc\" is no field of a LifecycleHandler",
        ),
        ("lifecycle: {stopSignal: SIGTERM}", "needs spec.os.name"),
        ("ports: [{containerPort: 0}]", "found 0"),
        ("ports: [{name: a}]", "containerPort is missing"),
        ("ports: [{containerPort: 1, name: 'a--b'}]", "a port's name"),
        (
            "ports: [{containerPort: 1, name: a}, {containerPort: 2, name: a}]",
            "another port of this container",
        ),
        (
            "ports: [{containerPort: 1, protocol: tcp}]",
            "allowed is TCP, UDP, SCTP",
        ),
        ("env: [{name: A=B}]", "a variable's name"),
        ("env: [{value: a}]", "name is missing"),
        (
            "env: [{name: A, value: 5}]",
            "found the number 5 where a text belongs; put it in quotes",
        ),
        (
            "env: [{name: A, value: yes}]",
            "found the boolean \"yes\" where a text belongs; put it in quotes",
        ),
        ("env: [{name: A, value: \"a\\0b\"}]", "has a NUL"),
        (
            "env: [{name: A, value: a, valueFrom: {fieldRef: {fieldPath: x}}}]",
            "not both",
        ),
        (
            "env: [{name: A, valueFrom: {}}]",
            "has none of configMapKeyRef",
        ),
        ("envFrom: [{}]", "has none of configMapRef, secretRef"),
        (
            "restartPolicyRules: [{action: Restart, exitCodes: {operator: In, values: [1]}}]",
            "(S145)",
        ),
        (
            "restartPolicy: Never\nrestartPolicyRules: [{action: Restart}]",
            "exitCodes is missing",
        ),
        (
            "restartPolicy: Never\nrestartPolicyRules: [{action: Stop, exitCodes: {operator: In}}]",
            "allowed is Restart, RestartAllContainers",
        ),
        (
            "terminationMessagePolicy: Logs",
            "allowed is File, FallbackToLogsOnError",
        ),
        ("terminationMessagePath: words", "a path from / on"),
        ("securityContext: {runAsUser: -1}", "found -1"),
        (
            "securityContext: {runAsUser: root}",
            "found the text \"root\" where a whole number belongs",
        ),
        (
            "securityContext: {capabilities: {add: [CAP_CHOWN]}}",
            "did you mean CHOWN?",
        ),
        (
            "securityContext: {allowPrivilegeEscalation: false, privileged: true}",
            "exclude each other",
        ),
        (
            "securityContext: {allowPrivilegeEscalation: false, capabilities: {add: [SYS_ADMIN]}}",
            "exclude each other",
        ),
        ("securityContext: {windowsOptions: {}}", "is for Windows"),
        ("args: [1]", "found the number 1 where a text belongs"),
    ] {
        let fault = only_fault(fields);
        assert!(fault.contains(expected), "{fields}\n{fault}");
    }
}

#[test]
fn of_several_actions_where_one_is_allowed_each_is_read_for_its_own_faults() {
    for fields in [
        "livenessProbe: {exec: {command: [x]}, tcpSocket: {port: 0}}",
        "lifecycle: {preStop: {sleep: {seconds: 1}, httpGet: {port: 0}}}",
    ] {
        let told = faults(one(fields));
        assert_eq!(told.len(), 2, "{told:#?}");
        assert!(told[0].contains("only one is allowed"), "{told:#?}");
        assert!(told[1].contains("port: found 0"), "{told:#?}");
    }
}

#[test]
fn nothing_that_a_terminal_would_obey_is_told() {
    let evil = "\"\\e[31m\\n\"";
    for text in [
        format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{labels: {{{evil}: 1}}, {evil}: 1}}, spec: {{}}}}"
        ),
        format!("{{apiVersion: v1, kind: {evil}}}"),
        format!("{evil}: 1"),
        format!("{{containers: [{{name: {evil}, command: [a], {evil}: {evil}, stdin: {evil}}}]}}"),
        format!("a: &{evil} *x"),
    ] {
        for fault in faults(&text) {
            assert!(!fault.contains(char::is_control), "{fault:?}");
        }
    }
    let told = faults(
        "{apiVersion: v1, kind: Pod, metadata: {labels: {a/b: 1}}, spec: {containers: [{name: a, command: [a]}]}}",
    );
    assert!(
        told[0].contains("metadata.labels[\"a/b\"]: found the number 1"),
        "{told:?}"
    );
}

#[test]
fn s90_a_hook_cannot_sleep_longer_than_the_grace() {
    let fields = "lifecycle: {preStop: {sleep: {seconds: 40}}}";
    assert!(
        only_fault(fields).contains("found 40; allowed is 0 to 30"),
        "{}",
        only_fault(fields)
    );
    understood(&format!(
        "terminationGracePeriodSeconds: 40\n{}",
        one(fields)
    ));
    assert!(only_fault("lifecycle: {postStart: {sleep: {}}}").contains("seconds is missing"));
    understood(&one("lifecycle: {postStart: {sleep: {seconds: 0}}}"));
}

#[test]
fn s145_rules_are_bounded() {
    let rule = "{action: Restart, exitCodes: {operator: In, values: [1]}}";
    let rules = |n: usize| {
        format!(
            "restartPolicy: Never\nrestartPolicyRules: [{}]",
            vec![rule; n].join(", ")
        )
    };
    understood(&one(&rules(20)));
    assert!(only_fault(&rules(21)).contains("has 21 rules; 20 are allowed"));
    let values = |n: usize| {
        let values = vec!["1"; n].join(", ");
        format!(
            "restartPolicy: Never\nrestartPolicyRules: [{{action: Restart, exitCodes: {{operator: NotIn, values: [{values}]}}}}]"
        )
    };
    understood(&one(&values(255)));
    assert!(only_fault(&values(256)).contains("has 256 values"));
}

#[test]
fn an_init_step_has_neither_probes_nor_hooks_and_a_sidecar_has() {
    for field in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let step = format!(
            "initContainers: [{{name: s, command: [s], {field}: {{exec: {{command: [x]}}}}}}]\n{}",
            one("")
        );
        let told = faults(&step);
        assert!(
            told.len() == 1 && told[0].contains("unless it is a sidecar"),
            "{told:?}"
        );
        understood(&step.replace("name: s,", "name: s, restartPolicy: Always,"));
    }
    let step = format!(
        "initContainers: [{{name: s, command: [s], lifecycle: {{}}}}]\n{}",
        one("")
    );
    assert!(faults(&step)[0].contains("initContainers[0].lifecycle"));
}

#[test]
fn stop_signals_are_the_apis_names() {
    let with = |name: &str| {
        format!(
            "os: {{name: linux}}\n{}",
            one(&format!("lifecycle: {{stopSignal: {name}}}"))
        )
    };
    for name in [
        "SIGTERM",
        "SIGQUIT",
        "SIGPOLL",
        "SIGCLD",
        "SIGRTMIN",
        "SIGRTMIN+15",
        "SIGRTMAX-14",
        "SIGRTMAX",
    ] {
        understood(&with(name));
    }
    for name in [
        "TERM",
        "sigterm",
        "'15'",
        "SIGSIGTERM",
        "SIGRTMIN+16",
        "SIGRTMAX-15",
        "SIGRTMIN+",
        "SIGRTMIN+0",
        "SIGFOO",
    ] {
        let told = faults(with(name));
        assert!(
            told.len() == 1 && told[0].contains("allowed is a name such as SIGTERM"),
            "{name}: {told:?}"
        );
    }
}

#[test]
fn what_a_pod_says_for_all_is_checked_too() {
    for (line, expected) in [
        (
            "terminationGracePeriodSeconds: -1",
            "found -1; allowed is 0 or more",
        ),
        (
            "activeDeadlineSeconds: 0",
            "found 0; allowed is 1 to 2147483647",
        ),
        (
            "restartPolicy: always",
            "allowed is Always, OnFailure, Never",
        ),
        (
            "readinessGates: [{conditionType: a/b/c}]",
            "a type is a name",
        ),
        ("readinessGates: [{}]", "conditionType is missing"),
        ("os: {name: windows}", "this is linux"),
        ("ephemeralContainers: []", "the API server refuses it too"),
        ("volumes: {}", "found a map where a list belongs"),
        (
            "hostNetwork: 'true'",
            "found the text \"true\" where true or false belongs",
        ),
        ("initContainer: []", "did you mean initContainers?"),
        (
            "securityContext: {supplementalGroups: [a]}",
            "found the text \"a\" where a whole number belongs",
        ),
    ] {
        let told = faults(format!("{line}\n{}", one("")));
        assert!(
            told.len() == 1 && told[0].contains(expected),
            "{line}: {told:?}"
        );
    }
    assert!(faults("containers: []")[0].contains("a pod has at least one container"));
    assert!(faults("containers: [{name: A_B, command: [a]}]")[0].contains("63 lower-case letters"));
    assert!(faults("containers: [{command: [a]}]")[0].contains("containers[0]: name is missing"));
}
