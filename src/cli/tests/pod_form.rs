//! The own form with a manifest.
