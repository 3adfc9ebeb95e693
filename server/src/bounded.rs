//! A map of bounded size that forgets what was not used for longest. What is kept costs a look-up under a short lock.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Two halves. When the younger half is full, the older one is forgotten. What is used moves to the younger half.
/// So it keeps `half` entries at least, once it had them, and twice as many at most.
pub struct BoundedMap<K, V> {
    halves: Mutex<(HashMap<K, V>, HashMap<K, V>)>,
    half: usize,
}

impl<K: Hash + Eq, V: Clone> BoundedMap<K, V> {
    pub fn new(half: usize) -> Self {
        Self { halves: Mutex::default(), half }
    }

    pub fn get<Q>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let mut halves = self.halves();
        if let Some(value) = halves.0.get(key) {
            return Some(value.clone());
        }
        let value = halves.1.get(key)?.clone();
        insert(&mut halves, self.half, key.to_owned(), value.clone());
        Some(value)
    }

    pub fn insert(&self, key: K, value: V) {
        insert(&mut self.halves(), self.half, key, value);
    }

    pub fn remove<Q>(&self, key: &Q)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let mut halves = self.halves();
        halves.0.remove(key);
        halves.1.remove(key);
    }

    pub fn clear(&self) {
        *self.halves() = Default::default();
    }

    /// Entries of the younger and of the older half.
    pub fn sizes(&self) -> (usize, usize) {
        let halves = self.halves();
        (halves.0.len(), halves.1.len())
    }

    fn halves(&self) -> MutexGuard<'_, (HashMap<K, V>, HashMap<K, V>)> {
        self.halves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn insert<K: Hash + Eq, V>(halves: &mut (HashMap<K, V>, HashMap<K, V>), half: usize, key: K, value: V) {
    if halves.0.len() >= half && !halves.0.contains_key(&key) {
        halves.1 = std::mem::take(&mut halves.0);
    }
    halves.1.remove(&key);
    halves.0.insert(key, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_map_forgets_what_was_not_used() {
        let map = BoundedMap::new(4);
        map.insert("used".to_owned(), 0);
        for number in 1..=20 {
            map.insert(number.to_string(), number);
            assert_eq!(map.get("used"), Some(0));
        }
        let (younger, older) = map.sizes();
        assert!(younger <= 4 && older <= 4, "{younger} {older}");
        assert_eq!((map.get("1"), map.get("20")), (None, Some(20)));
        map.insert("20".to_owned(), 21);
        assert_eq!(map.get("20"), Some(21), "the newest value counts");
        map.remove("20");
        assert_eq!(map.get("20"), None);
        map.clear();
        assert_eq!((map.get("used"), map.sizes()), (None, (0, 0)));
    }
}
