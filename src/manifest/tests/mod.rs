//! Stories of manifests.
