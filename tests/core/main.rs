//! What batpak-core promises.
