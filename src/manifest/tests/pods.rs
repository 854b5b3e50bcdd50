//! What is honoured, and with which defaults.

use super::{World, one, understood, words};
use crate::plan::{
    Asker, Handler, Hook, NetworkQuestion, Placement, RestartPolicy, Role, RuleAction, Signal,
    Stdin,
};
use std::time::Duration;

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_container_alone_has_the_apis_defaults() {
    let understood = understood(&one(""));
    let pod = &understood.pod;
    assert_eq!(
        (pod.grace, pod.drain, pod.active_deadline),
        (s(30), s(0), None)
    );
    assert!(pod.readiness_gates.is_empty() && pod.exit_code_from.is_none());
    let web = understood.container("web");
    assert_eq!(web.role, Role::Main);
    assert_eq!(web.restart.policy, RestartPolicy::Always);
    assert_eq!((web.restart.at_most, web.restart.rules.len()), (None, 0));
    assert_eq!(web.stop_signal, Some(Signal::TERM));
    assert!(web.kills_its_tree);
    assert!(web.startup_probe.is_none() && web.post_start.is_none());
    let program = understood.program("web");
    assert_eq!(words(program), ["web"]);
    assert_eq!(program.name, "web");
    assert_eq!(program.placement, Placement::Alone);
    assert_eq!(program.stdin, Stdin::Empty);
    assert!(!program.foreground && !program.kept_output);
    assert!(program.environment.base.is_none() && program.environment.extra.is_empty());
    assert_eq!(understood.warnings, Vec::<String>::new());
}

#[test]
fn everything_that_is_honoured_reaches_the_plan() {
    let understood = understood(
        "
apiVersion: v1
kind: Pod
metadata: {name: whole, labels: {a: b}, annotations: {c: d}}
spec:
  restartPolicy: OnFailure
  terminationGracePeriodSeconds: 60
  activeDeadlineSeconds: 600
  os: {name: linux}
  readinessGates:
  - conditionType: www.example.com/gate-1
  - conditionType: www.example.com/gate-1
  - conditionType: other
  initContainers:
  - {name: step, command: [step]}
  - {name: side, command: [side], restartPolicy: Always}
  containers:
  - name: web
    command: [web, -x]
    args: [a, b]
    workingDir: /srv
    restartPolicy: Never
    restartPolicyRules:
    - {action: Restart, exitCodes: {operator: In, values: [42, 43]}}
    - {action: RestartAllContainers, exitCodes: {operator: NotIn, values: [1]}}
    lifecycle:
      postStart: {exec: {command: [hello, $(A)]}}
      preStop: {sleep: {seconds: 60}}
      stopSignal: SIGRTMIN+3
    terminationMessagePath: /tmp/words
    terminationMessagePolicy: FallbackToLogsOnError
    stdin: true
    tty: true
  - {name: other, command: [other], stdin: true, tty: true}
",
    );
    assert_eq!(understood.name.as_deref(), Some("whole"));
    let pod = &understood.pod;
    assert_eq!((pod.grace, pod.active_deadline), (s(60), Some(s(600))));
    assert_eq!(pod.readiness_gates, ["www.example.com/gate-1", "other"]);
    let order: Vec<(&str, Role)> = pod
        .containers
        .iter()
        .map(|c| (c.name.as_str(), c.role))
        .collect();
    let expected = [
        ("step", Role::Init),
        ("side", Role::Sidecar),
        ("web", Role::Main),
        ("other", Role::Main),
    ];
    assert_eq!(order, expected);
    assert_eq!(
        understood.container("step").restart.policy,
        RestartPolicy::OnFailure
    );
    assert_eq!(
        understood.container("side").restart.policy,
        RestartPolicy::Always
    );
    let web = understood.container("web");
    assert_eq!(words(understood.program("web")), ["web", "-x", "a", "b"]);
    assert_eq!(
        understood.program("web").working_dir.as_deref(),
        Some(c"/srv")
    );
    assert_eq!(web.restart.policy, RestartPolicy::Never);
    let [first, second] = &web.restart.rules[..] else {
        panic!("{web:?}")
    };
    assert_eq!(
        (first.among, &first.values[..], first.action),
        (true, &[42, 43][..], RuleAction::Restart)
    );
    assert_eq!(
        (second.among, second.action),
        (false, RuleAction::RestartAllContainers)
    );
    assert_eq!(web.stop_signal.map(Signal::number), Some(37));
    assert_eq!(web.pre_stop, Some(Hook::Sleep(s(60))));
    let Some(Hook::Exec(id)) = web.post_start else {
        panic!("{web:?}")
    };
    let hook = &understood.programs[id.0];
    assert_eq!(
        words(hook),
        ["hello", "$(A)"],
        "a hook's command is not expanded (C.3)"
    );
    assert_eq!(
        (hook.stdin, hook.placement, hook.kept_output),
        (Stdin::Empty, Placement::Alone, true)
    );
    assert_eq!(hook.working_dir.as_deref(), Some(c"/srv"));
    let message = web
        .termination_message
        .as_ref()
        .expect("its path is its alone");
    assert_eq!(
        (&message.path, message.or_output),
        (&Some("/tmp/words".into()), true)
    );
    assert_eq!(understood.container("other").termination_message, None);
    assert_eq!(understood.program("web").stdin, Stdin::Inherited);
    assert_eq!(understood.program("web").placement, Placement::Session);
    assert_eq!(understood.program("other").stdin, Stdin::Empty);
    assert_eq!(understood.program("other").placement, Placement::Alone);
    assert_eq!(
        understood.warnings,
        ["other: its standard input is empty, for web reads the only one there is"]
    );
}

#[test]
fn s32_explicit_zeros_are_the_defaults() {
    let fields = "
livenessProbe:
  exec: {command: [x]}
  initialDelaySeconds: 0
  timeoutSeconds: 0
  periodSeconds: 0
  successThreshold: 0
  failureThreshold: 0";
    let understood = understood(&one(fields));
    let probe = understood
        .container("web")
        .liveness_probe
        .clone()
        .expect("there is one");
    assert_eq!(
        (probe.initial_delay, probe.timeout, probe.period),
        (s(0), s(1), s(10))
    );
    assert_eq!(
        (
            probe.success_threshold,
            probe.failure_threshold,
            probe.grace
        ),
        (1, 3, None)
    );
}

#[test]
fn s34_a_timeout_longer_than_the_period_is_allowed() {
    let understood = understood(&one(
        "livenessProbe: {exec: {command: [x]}, timeoutSeconds: 20, periodSeconds: 5}",
    ));
    let probe = understood
        .container("web")
        .liveness_probe
        .clone()
        .expect("there is one");
    assert_eq!((probe.timeout, probe.period), (s(20), s(5)));
}

#[test]
fn every_handler_asks_what_it_says() {
    let fields = "
ports: [{name: http, containerPort: 8080}, {containerPort: 53, protocol: UDP}]
startupProbe: {grpc: {port: 9000, service: health}, failureThreshold: 30}
livenessProbe: {tcpSocket: {port: http, host: db}, terminationGracePeriodSeconds: 5}
readinessProbe:
  httpGet:
    port: http
    path: ready?x=1
    scheme: HTTPS
    httpHeaders: [{name: Host, value: a}, {name: X-A, value: ''}, {name: X-A, value: b}]
  successThreshold: 2
lifecycle: {preStop: {httpGet: {port: 80}}}";
    let understood = understood(&one(fields));
    let web = understood.container("web");
    let asked = |handler: &Handler| match handler {
        Handler::Ask(id) => understood.checks[id.0].clone(),
        other => panic!("{other:?}"),
    };
    let startup = web.startup_probe.as_ref().expect("there is one");
    let expected = NetworkQuestion::Grpc {
        host: "127.0.0.1".to_owned(),
        port: 9000,
        service: "health".to_owned(),
        tls: false,
    };
    assert_eq!(asked(&startup.handler).question, expected);
    let liveness = web.liveness_probe.as_ref().expect("there is one");
    assert_eq!(liveness.grace, Some(s(5)));
    let expected = NetworkQuestion::Tcp {
        host: "db".to_owned(),
        port: 8080,
    };
    assert_eq!(asked(&liveness.handler).question, expected);
    let readiness = web.readiness_probe.as_ref().expect("there is one");
    assert_eq!(readiness.success_threshold, 2);
    let check = asked(&readiness.handler);
    assert_eq!((check.timeout, check.asker), (Some(s(1)), Asker::Probe));
    let NetworkQuestion::Http(get) = check.question else {
        panic!("{check:?}")
    };
    assert_eq!(
        (get.tls, get.host.as_str(), get.port, get.path.as_str()),
        (true, "127.0.0.1", 8080, "ready?x=1")
    );
    let headers: Vec<(&str, &str)> = get
        .headers
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .collect();
    assert_eq!(headers, [("Host", "a"), ("X-A", ""), ("X-A", "b")]);
    let Some(Hook::Ask(id)) = web.pre_stop else {
        panic!("{web:?}")
    };
    let check = &understood.checks[id.0];
    assert_eq!((check.timeout, check.asker), (None, Asker::Hook));
    let NetworkQuestion::Http(get) = &check.question else {
        panic!("{check:?}")
    };
    assert_eq!((get.path.as_str(), get.tls), ("/", false));
}

#[test]
fn s24_a_port_name_that_stands_for_nothing_is_said_and_kept() {
    let understood = understood(&one(
        "livenessProbe: {tcpSocket: {port: http}}\nlifecycle: {postStart: {httpGet: {port: http}}}",
    ));
    let web = understood.container("web");
    assert_eq!(
        web.liveness_probe.as_ref().map(|probe| probe.handler),
        Some(Handler::Unresolvable)
    );
    assert_eq!(web.post_start, Some(Hook::Fails));
    assert_eq!(understood.warnings.len(), 2);
    assert!(
        understood.warnings[0].contains("no port of web is named http"),
        "{:?}",
        understood.warnings
    );
    let slip = super::understood(&one(
        "ports: [{name: http, containerPort: 80}]\nlivenessProbe: {tcpSocket: {port: htpp}}",
    ));
    assert!(
        slip.warnings[0].ends_with("can only fail; did you mean http?"),
        "{:?}",
        slip.warnings
    );
}

#[test]
fn s82_a_tcp_hook_is_allowed_and_always_fails() {
    let understood = understood(&one("lifecycle: {preStop: {tcpSocket: {port: 80}}}"));
    assert_eq!(understood.container("web").pre_stop, Some(Hook::Fails));
    assert_eq!(understood.warnings.len(), 1);
}

#[test]
fn a_termination_message_is_read_where_one_container_writes_it() {
    let alone = understood(&one(""));
    let message = alone
        .container("web")
        .termination_message
        .as_ref()
        .expect("there is one container");
    assert_eq!(message.path, Some("/dev/termination-log".into()));
    let two = "containers: [{name: a, command: [a]}, {name: b, command: [b], terminationMessagePath: /b}]";
    let two = understood(two);
    assert!(two.container("a").termination_message.is_some());
    assert!(two.container("b").termination_message.is_some());
    let shared = understood("containers: [{name: a, command: [a]}, {name: b, command: [b]}]");
    assert!(
        shared
            .pod
            .containers
            .iter()
            .all(|c| c.termination_message.is_none())
    );
    assert!(
        shared.warnings.is_empty(),
        "by default they share it, which is nobody's mistake"
    );
    let or_output = "containers: [{name: a, command: [a], terminationMessagePolicy: FallbackToLogsOnError}, \
                     {name: b, command: [b]}]";
    let or_output = understood(or_output);
    let message = or_output.container("a").termination_message.as_ref();
    assert_eq!(
        message.map(|it| (&it.path, it.or_output)),
        Some((&None, true))
    );
    assert_eq!(or_output.container("b").termination_message, None);
}

#[test]
fn the_real_containers_command_stands_in_for_one_entry() {
    let world = World {
        command: vec!["nginx", "-g", "daemon off;"],
        ..World::default()
    };
    let text = "containers: [{name: side, command: [side]}, {name: web}]";
    assert_eq!(
        words(world.understood(text).program("web")),
        ["nginx", "-g", "daemon off;"]
    );
    let text = "containers: [{name: web, args: [-t, $(A)], env: [{name: A, value: x}]}]";
    assert_eq!(
        words(world.understood(text).program("web")),
        ["nginx", "-t", "x"]
    );
    let text = "containers: [{name: a}, {name: b, command: []}]";
    assert_eq!(world.faults(text).len(), 2);
    let text = "containers: [{name: a, command: [a]}]";
    assert!(world.faults(text)[0].contains("every container has a command"));
    let text = "initContainers: [{name: s}]\ncontainers: [{name: a}]";
    assert!(world.faults(text)[0].contains("initContainers[0]: command is missing"));
    assert!(super::faults("containers: [{name: a}]")[0].contains("command is missing"));
}

#[test]
fn what_the_real_container_meets_is_named_in_one_line() {
    let text = "
volumes: []
hostNetwork: true
nodeName: null
containers:
- name: a
  command: [a]
  image: a
  resources: {limits: {cpu: 1}}
  tty: true
  securityContext: {readOnlyRootFilesystem: true}
- {name: b, command: [b], image: b}
";
    assert_eq!(
        understood(text).notes,
        [
            "left to the outer container: hostNetwork, resources, securityContext.readOnlyRootFilesystem, \
             tty (without stdin)"
        ],
        "neither what every manifest has nor what is empty"
    );
    let check = World {
        is_check: true,
        ..World::default()
    };
    assert_eq!(
        check.understood(text).notes,
        [
            "left to the outer container: volumes, hostNetwork, image, resources, \
             securityContext.readOnlyRootFilesystem, tty (without stdin)"
        ]
    );
}

#[test]
fn no_span_is_too_long_to_be_counted() {
    let understood = understood(
        "terminationGracePeriodSeconds: 9223372036854775807\ncontainers: [{name: a, command: [a], lifecycle: {preStop: {sleep: {seconds: 9223372036854775807}}}}]",
    );
    assert!(understood.pod.grace > s(1 << 31));
}
