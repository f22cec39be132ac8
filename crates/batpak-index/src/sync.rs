//! What is shared without a lock: atomics and a pointer that is exchanged; those of loom where its tests try every
//! order of threads.

#[cfg(not(loom))]
pub(crate) use arc_swap::{ArcSwap, Guard};
#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};
#[cfg(loom)]
pub(crate) use modelled::{ArcSwap, Guard};
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

#[cfg(loom)]
mod modelled {
    use loom::sync::{Mutex, MutexGuard};
    use std::sync::{Arc, PoisonError};

    pub(crate) type Guard<T> = T;

    /// Does what the real one does, with a lock that is modelled.
    #[derive(Debug)]
    pub(crate) struct ArcSwap<T>(Mutex<Arc<T>>);

    impl<T> ArcSwap<T> {
        pub(crate) fn from_pointee(value: T) -> Self {
            Self(Mutex::new(Arc::new(value)))
        }

        fn lock(&self) -> MutexGuard<'_, Arc<T>> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }

        pub(crate) fn load(&self) -> Guard<Arc<T>> {
            self.load_full()
        }

        pub(crate) fn load_full(&self) -> Arc<T> {
            Arc::clone(&self.lock())
        }

        pub(crate) fn store(&self, value: Arc<T>) {
            *self.lock() = value;
        }
    }
}
