//! What becomes of each field of the API: the one table. The decoder walks by it, the README's table is made from it.
//!
//! The fields are those of Kubernetes 1.37 (core/v1). Of a field that is left to the outer container only the shape is
//! looked at, not what lies inside.

use std::fmt::Write;

/// What becomes of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It means here what it means in a Pod.
    Honoured,
    /// The outer container, its pod or its node has seen to it or has to; a line at level info names it.
    Met(Shape),
    /// It is about the object and not about what runs; nothing needs saying.
    Ignored(Shape),
    /// It cannot be had here, and to pass over it would be a lie.
    Refused(&'static str),
}

/// What a value must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// true or false
    Flag,
    /// A whole number.
    Number,
    /// A text.
    Text,
    /// A list of whatever.
    List,
    /// A map of whatever.
    Map,
}

/// A field and its fate.
#[derive(Debug)]
pub struct Field {
    /// Its name in the API.
    pub name: &'static str,
    /// What becomes of it.
    pub fate: Fate,
}

impl Field {
    /// Whether nearly every manifest has it, so that passing it over is no news at the start.
    pub fn is_usual(&self) -> bool {
        ["image", "imagePullPolicy"].contains(&self.name)
    }
}

/// A type of the API.
#[derive(Debug)]
pub struct Kind {
    /// Its name in the API.
    pub name: &'static str,
    /// Where it stands, for the line that names what was passed over.
    prefix: &'static str,
    /// Its fields, in the order of the API's reference.
    pub fields: &'static [Field],
}

impl Kind {
    /// The field's name where it needs no further telling: `image`, `securityContext.privileged`.
    pub fn place(&self, field: &Field) -> String {
        format!("{}{}", self.prefix, field.name)
    }
}

const fn yes(name: &'static str) -> Field {
    Field {
        name,
        fate: Fate::Honoured,
    }
}

const fn met(name: &'static str, shape: Shape) -> Field {
    Field {
        name,
        fate: Fate::Met(shape),
    }
}

const fn idle(name: &'static str, shape: Shape) -> Field {
    Field {
        name,
        fate: Fate::Ignored(shape),
    }
}

const fn no(name: &'static str, why: &'static str) -> Field {
    Field {
        name,
        fate: Fate::Refused(why),
    }
}

const fn kind(name: &'static str, prefix: &'static str, fields: &'static [Field]) -> Kind {
    Kind {
        name,
        prefix,
        fields,
    }
}

use Shape::{Flag, List, Map, Number, Text};

/// Pod
pub static POD: Kind = kind(
    "Pod",
    "",
    &[
        yes("apiVersion"),
        yes("kind"),
        yes("metadata"),
        yes("spec"),
        idle("status", Map),
    ],
);

/// PodTemplateSpec
pub static TEMPLATE: Kind = kind(
    "PodTemplateSpec",
    "",
    &[
        // Some tools write these two, and the API server passes over them.
        idle("apiVersion", Text),
        idle("kind", Text),
        yes("metadata"),
        yes("spec"),
    ],
);

/// ObjectMeta
pub static METADATA: Kind = kind(
    "ObjectMeta",
    "metadata.",
    &[
        yes("name"),
        yes("labels"),
        yes("annotations"),
        idle("creationTimestamp", Text),
        idle("deletionGracePeriodSeconds", Number),
        idle("deletionTimestamp", Text),
        idle("finalizers", List),
        idle("generateName", Text),
        idle("generation", Number),
        idle("managedFields", List),
        idle("namespace", Text),
        idle("ownerReferences", List),
        idle("resourceVersion", Text),
        idle("selfLink", Text),
        idle("uid", Text),
    ],
);

/// PodSpec
pub static POD_SPEC: Kind = kind(
    "PodSpec",
    "",
    &[
        yes("activeDeadlineSeconds"),
        met("affinity", Map),
        met("automountServiceAccountToken", Flag),
        yes("containers"),
        met("dnsConfig", Map),
        met("dnsPolicy", Text),
        met("enableServiceLinks", Flag),
        no(
            "ephemeralContainers",
            "cannot be said at the start of a pod; the API server refuses it too",
        ),
        met("evictionResponders", List),
        met("hostAliases", List),
        met("hostIPC", Flag),
        met("hostNetwork", Flag),
        met("hostPID", Flag),
        met("hostUsers", Flag),
        met("hostname", Text),
        met("hostnameOverride", Text),
        met("imagePullSecrets", List),
        yes("initContainers"),
        met("nodeName", Text),
        met("nodeSelector", Map),
        yes("os"),
        met("overhead", Map),
        met("preemptionPolicy", Text),
        met("priority", Number),
        met("priorityClassName", Text),
        yes("readinessGates"),
        met("resourceClaims", List),
        met("resources", Map),
        yes("restartPolicy"),
        met("runtimeClassName", Text),
        met("schedulerName", Text),
        met("schedulingGates", List),
        met("schedulingGroup", Map),
        yes("securityContext"),
        met("serviceAccount", Text),
        met("serviceAccountName", Text),
        met("setHostnameAsFQDN", Flag),
        met("shareProcessNamespace", Flag),
        met("subdomain", Text),
        yes("terminationGracePeriodSeconds"),
        met("tolerations", List),
        met("topologySpreadConstraints", List),
        met("volumes", List),
    ],
);

/// PodSecurityContext
pub static POD_SECURITY_CONTEXT: Kind = kind(
    "PodSecurityContext",
    "securityContext.",
    &[
        met("appArmorProfile", Map),
        yes("fsGroup"),
        met("fsGroupChangePolicy", Text),
        yes("runAsGroup"),
        yes("runAsNonRoot"),
        yes("runAsUser"),
        met("seLinuxChangePolicy", Text),
        met("seLinuxOptions", Map),
        met("seccompProfile", Map),
        yes("supplementalGroups"),
        met("supplementalGroupsPolicy", Text),
        met("sysctls", List),
        no("windowsOptions", "is for Windows, and this is Linux"),
    ],
);

/// PodOS
pub static POD_OS: Kind = kind("PodOS", "os.", &[yes("name")]);

/// PodReadinessGate
pub static READINESS_GATE: Kind = kind(
    "PodReadinessGate",
    "readinessGates.",
    &[yes("conditionType")],
);

/// Container
pub static CONTAINER: Kind = kind(
    "Container",
    "",
    &[
        yes("args"),
        yes("command"),
        yes("env"),
        yes("envFrom"),
        met("image", Text),
        met("imagePullPolicy", Text),
        yes("lifecycle"),
        yes("livenessProbe"),
        yes("name"),
        yes("ports"),
        yes("readinessProbe"),
        met("resizePolicy", List),
        met("resources", Map),
        yes("restartPolicy"),
        yes("restartPolicyRules"),
        yes("securityContext"),
        yes("startupProbe"),
        yes("stdin"),
        met("stdinOnce", Flag),
        yes("terminationMessagePath"),
        yes("terminationMessagePolicy"),
        yes("tty"),
        met("volumeDevices", List),
        met("volumeMounts", List),
        yes("workingDir"),
    ],
);

/// SecurityContext
pub static SECURITY_CONTEXT: Kind = kind(
    "SecurityContext",
    "securityContext.",
    &[
        yes("allowPrivilegeEscalation"),
        met("appArmorProfile", Map),
        yes("capabilities"),
        met("privileged", Flag),
        met("procMount", Text),
        met("readOnlyRootFilesystem", Flag),
        yes("runAsGroup"),
        yes("runAsNonRoot"),
        yes("runAsUser"),
        met("seLinuxOptions", Map),
        met("seccompProfile", Map),
        no("windowsOptions", "is for Windows, and this is Linux"),
    ],
);

/// Capabilities
pub static CAPABILITIES: Kind = kind("Capabilities", "capabilities.", &[yes("add"), yes("drop")]);

/// Probe
pub static PROBE: Kind = kind(
    "Probe",
    "",
    &[
        yes("exec"),
        yes("failureThreshold"),
        yes("grpc"),
        yes("httpGet"),
        yes("initialDelaySeconds"),
        yes("periodSeconds"),
        yes("successThreshold"),
        yes("tcpSocket"),
        yes("terminationGracePeriodSeconds"),
        yes("timeoutSeconds"),
    ],
);

/// Lifecycle
pub static LIFECYCLE: Kind = kind(
    "Lifecycle",
    "lifecycle.",
    &[yes("postStart"), yes("preStop"), yes("stopSignal")],
);

/// LifecycleHandler
pub static HOOK: Kind = kind(
    "LifecycleHandler",
    "lifecycle.",
    &[yes("exec"), yes("httpGet"), yes("sleep"), yes("tcpSocket")],
);

/// ExecAction
pub static EXEC: Kind = kind("ExecAction", "exec.", &[yes("command")]);

/// HTTPGetAction
pub static HTTP_GET: Kind = kind(
    "HTTPGetAction",
    "httpGet.",
    &[
        yes("host"),
        yes("httpHeaders"),
        yes("path"),
        yes("port"),
        yes("protocol"),
        yes("scheme"),
    ],
);

/// HTTPHeader
pub static HTTP_HEADER: Kind = kind("HTTPHeader", "httpHeaders.", &[yes("name"), yes("value")]);

/// TCPSocketAction
pub static TCP_SOCKET: Kind = kind("TCPSocketAction", "tcpSocket.", &[yes("host"), yes("port")]);

/// GRPCAction
pub static GRPC: Kind = kind(
    "GRPCAction",
    "grpc.",
    &[yes("mode"), yes("port"), yes("service")],
);

/// SleepAction
pub static SLEEP: Kind = kind("SleepAction", "sleep.", &[yes("seconds")]);

/// ContainerPort
pub static PORT: Kind = kind(
    "ContainerPort",
    "ports.",
    &[
        yes("containerPort"),
        met("hostIP", Text),
        met("hostPort", Number),
        yes("name"),
        yes("protocol"),
    ],
);

/// EnvVar
pub static ENV_VAR: Kind = kind(
    "EnvVar",
    "env.",
    &[yes("name"), yes("value"), yes("valueFrom")],
);

/// EnvVarSource
pub static ENV_VAR_SOURCE: Kind = kind(
    "EnvVarSource",
    "valueFrom.",
    &[
        yes("configMapKeyRef"),
        yes("fieldRef"),
        yes("fileKeyRef"),
        yes("resourceFieldRef"),
        yes("secretKeyRef"),
    ],
);

/// ConfigMapKeySelector and SecretKeySelector
pub static KEY_SELECTOR: Kind = kind(
    "SecretKeySelector, ConfigMapKeySelector",
    "valueFrom.",
    &[yes("key"), yes("name"), yes("optional")],
);

/// FileKeySelector
pub static FILE_KEY_SELECTOR: Kind = kind(
    "FileKeySelector",
    "valueFrom.",
    &[yes("key"), yes("optional"), yes("path"), yes("volumeName")],
);

/// ObjectFieldSelector
pub static FIELD_SELECTOR: Kind = kind(
    "ObjectFieldSelector",
    "valueFrom.",
    &[idle("apiVersion", Text), yes("fieldPath")],
);

/// ResourceFieldSelector
pub static RESOURCE_SELECTOR: Kind = kind(
    "ResourceFieldSelector",
    "valueFrom.",
    // A divisor may be a number or a text; the outer kubelet has seen to it.
    &[idle("containerName", Text), yes("divisor"), yes("resource")],
);

/// EnvFromSource
pub static ENV_FROM: Kind = kind(
    "EnvFromSource",
    "envFrom.",
    &[yes("configMapRef"), yes("prefix"), yes("secretRef")],
);

/// ConfigMapEnvSource and SecretEnvSource
pub static ENV_SOURCE: Kind = kind(
    "SecretEnvSource, ConfigMapEnvSource",
    "envFrom.",
    &[yes("name"), yes("optional")],
);

/// ContainerRestartRule
pub static RESTART_RULE: Kind = kind(
    "ContainerRestartRule",
    "restartPolicyRules.",
    &[yes("action"), yes("exitCodes")],
);

/// ContainerRestartRuleOnExitCodes
pub static EXIT_CODES: Kind = kind(
    "ContainerRestartRuleOnExitCodes",
    "restartPolicyRules.",
    &[yes("operator"), yes("values")],
);

/// Every type, in the order of the README.
pub static KINDS: [&Kind; 30] = [
    &POD,
    &TEMPLATE,
    &METADATA,
    &POD_SPEC,
    &POD_SECURITY_CONTEXT,
    &POD_OS,
    &READINESS_GATE,
    &CONTAINER,
    &SECURITY_CONTEXT,
    &CAPABILITIES,
    &PROBE,
    &LIFECYCLE,
    &HOOK,
    &EXEC,
    &HTTP_GET,
    &HTTP_HEADER,
    &TCP_SOCKET,
    &GRPC,
    &SLEEP,
    &PORT,
    &ENV_VAR,
    &ENV_VAR_SOURCE,
    &KEY_SELECTOR,
    &FILE_KEY_SELECTOR,
    &FIELD_SELECTOR,
    &RESOURCE_SELECTOR,
    &ENV_FROM,
    &ENV_SOURCE,
    &RESTART_RULE,
    &EXIT_CODES,
];

/// The table as the README has it: a row for each type, and one for all those that are honoured as a whole.
pub fn markdown() -> String {
    let mut text = "| type | honoured | left to the outer container | ignored | refused |\n|---|---|---|---|---|\n".to_owned();
    let mut whole = Vec::new();
    for kind in KINDS {
        let names = |wanted: fn(&Fate) -> bool| {
            let fields = kind.fields.iter().filter(|field| wanted(&field.fate));
            fields
                .map(|field| field.name)
                .collect::<Vec<_>>()
                .join(", ")
        };
        if kind.fields.iter().all(|field| field.fate == Fate::Honoured) {
            whole.push(kind.name);
            continue;
        }
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} |",
            kind.name,
            names(|fate| *fate == Fate::Honoured),
            names(|fate| matches!(fate, Fate::Met(_))),
            names(|fate| matches!(fate, Fate::Ignored(_))),
            names(|fate| matches!(fate, Fate::Refused(_))),
        );
    }
    let _ = writeln!(text, "| {} | all | | | |", whole.join(", "));
    text
}
