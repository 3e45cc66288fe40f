//! What a checkout has registered of a project, read from the services of the registry.

use std::path::PathBuf;

use super::{Checkout, Label, ProjectFile, ProjectService, ShortName};
use crate::api::Service;
use crate::folder::Folder;

/// The services that a checkout has of a project.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Registered {
    /// The label of the checkout; `None` as long as it is not known.
    pub label: Option<Label>,
    /// The services that the file lists, in the order of their ports.
    pub services: Vec<RegisteredService>,
    /// What the checkout has registered besides, in the order of their ports.
    pub left_over: Vec<RegisteredService>,
}

/// A registered service of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredService {
    /// Its short name.
    pub name: ShortName,
    /// Its full name.
    pub full_name: String,
    /// Its port.
    pub port: u16,
    /// Whether it remembers the checkout's folder.
    pub is_own: bool,
}

impl Registered {
    /// Picks the services of a checkout out of `services`, which may be all of the registry.
    ///
    /// These are the ones that remember its folder, the shared ones of the file, and, where it may be
    /// the main checkout, those of the file that no checkout has adopted yet.
    pub fn of(file: &ProjectFile, checkout: &Checkout, services: &[Service]) -> Self {
        let named: Vec<_> =
            services.iter().filter_map(|service| Named::of(file, service)).collect();
        let is_own =
            |it: &Named<'_>| it.service.folder.as_deref() == Some(checkout.folder.as_str());
        let main_is_taken = || {
            let is_main = |it: &Named<'_>| it.label.is_main() && it.service.folder.is_some();
            named.iter().any(is_main)
        };
        let label = named.iter().find(|it| is_own(it)).map(|it| it.label.clone());
        let label =
            label.or_else(|| (checkout.may_be_main && !main_is_taken()).then(Label::default));
        let is_free = |it: &Named<'_>| {
            it.label.is_main() && it.service.folder.is_none() && label.as_ref() == Some(&it.label)
        };
        let is_listed = |it: &Named<'_>| match file.service(it.name.as_str()) {
            Some(service) if service.is_shared => it.label.is_main(),
            Some(_) => is_own(it) || is_free(it),
            None => false,
        };
        let (listed, others): (Vec<_>, Vec<_>) = named.iter().partition(|it| is_listed(it));
        let registered = |it: &Named<'_>| RegisteredService {
            name: it.name.clone(),
            full_name: it.service.name.clone(),
            port: it.service.port,
            is_own: is_own(it),
        };
        let services = listed.into_iter().map(registered).collect();
        let left_over = others.into_iter().filter(|it| is_own(it)).map(registered).collect();
        Self { label, services, left_over }
    }

    /// Returns the service that the file lists by a short name.
    pub fn service(&self, name: &str) -> Option<&RegisteredService> {
        self.services.iter().find(|service| service.name.as_str() == name)
    }

    /// Returns whether the checkout has all services of the file as the file has them: its own ones
    /// remember its folder, and shared ones don't.
    pub fn is_complete(&self, file: &ProjectFile) -> bool {
        let is_right = |service: &ProjectService| {
            let mut found = self.services.iter();
            found.any(|it| it.name == service.name && it.is_own != service.is_shared)
        };
        file.services.iter().all(is_right)
    }
}

/// Returns the label that a checkout has already, whichever of its projects it is from.
pub fn label_of(checkout: &Checkout, services: &[Service]) -> Option<Label> {
    let own = |it: &&Service| it.folder.as_deref() == Some(checkout.folder.as_str());
    services.iter().filter(own).find_map(|service| {
        let (project, _) = service.name.split_once('.')?;
        let (label, _) = ShortName::split(&service.name, &ShortName::parse(project)?)?;
        Some(Label::of_name(label))
    })
}

/// Returns the folder of the main checkout of a file's project.
pub fn main_folder(file: &ProjectFile, services: &[Service]) -> Option<PathBuf> {
    let mut named = services.iter().filter_map(|service| Named::of(file, service));
    named.find_map(|it| {
        let folder = it.service.folder.as_deref().filter(|_| it.label.is_main())?;
        Folder::parse(folder).ok().map(|folder| folder.path())
    })
}

/// A service with the parts of its full name.
struct Named<'a> {
    service: &'a Service,
    label: Label,
    name: ShortName,
}

impl<'a> Named<'a> {
    /// Splits a full name; `None` if it is none of the file's project.
    fn of(file: &ProjectFile, service: &'a Service) -> Option<Self> {
        let (label, name) = ShortName::split(&service.name, &file.project)?;
        let label = Label::of_name(label);
        Some(Self { service, label, name })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const FILE: &str = "project = 'shop'\n[services]\nweb = {}\ndb = {}\nmail = { shared = true }";

    fn file() -> ProjectFile {
        ProjectFile::parse(Path::new("pald.toml"), FILE.as_bytes(), &[]).unwrap()
    }

    fn checkout(folder: &str, may_be_main: bool) -> Checkout {
        Checkout { folder: Folder::parse(folder).unwrap(), may_be_main }
    }

    /// Services, each as `name@folder`, on ports from 1.
    fn services(list: &str) -> Vec<Service> {
        let service = |(entry, port): (&str, u16)| {
            let (name, folder) = entry.split_once('@').unwrap();
            let folder = Some(folder.to_owned()).filter(|folder| !folder.is_empty());
            Service { folder, ..Service::sample(name, port) }
        };
        list.split_whitespace().zip(1..).map(service).collect()
    }

    #[test]
    fn a_checkout_has_what_remembers_its_folder_and_what_is_shared() {
        // (services, folder, whether it may be the main one, label, its services, whether all are there)
        let rows = [
            ("", "/a", true, Some(""), "", false),
            ("", "/a", false, None, "", false),
            ("shop.web@/a shop.db@/a shop.mail@", "/a", true, Some(""), "web=1 db=2 mail=3", true),
            ("shop.web@/a shop.db@/a", "/a", true, Some(""), "web=1 db=2", false),
            ("shop.web@/a shop.mail@", "/b", true, None, "mail=2", false),
            (
                "shop.b.web@/b shop.b.db@/b shop.mail@",
                "/b",
                true,
                Some("b"),
                "web=1 db=2 mail=3",
                true,
            ),
            (
                "shop.web@/a shop.b.web@/b shop.b.old@/b",
                "/b",
                false,
                Some("b"),
                "web=2 old=3",
                false,
            ),
            (
                "shop.web@ shop.db@ shop.other@ shop.mail@",
                "/a",
                true,
                Some(""),
                "web=1 db=2 mail=4",
                false,
            ),
            ("shop.web@ shop.db@", "/a", false, None, "", false),
            ("shop.web@ shop.db@/b", "/a", true, None, "", false),
            ("shop.b.web@/b", "/a", true, Some(""), "", false),
            ("shopx.web@/a shop@/a shop.a.b.web@/a xshop.web@/a", "/a", true, Some(""), "", false),
        ];
        for (list, folder, may_be_main, label, expected, is_complete) in rows {
            let found = Registered::of(&file(), &checkout(folder, may_be_main), &services(list));
            let found_services = found.services.iter().chain(&found.left_over);
            let names: Vec<_> =
                found_services.map(|it| format!("{}={}", it.name, it.port)).collect();
            assert_eq!(found.label.as_ref().map(Label::as_str), label, "{list}");
            assert_eq!(names.join(" "), expected, "{list}");
            assert_eq!(found.is_complete(&file()), is_complete, "{list}");
        }
    }

    #[test]
    fn what_the_file_no_longer_lists_is_left_over() {
        // (services, folder, those of the file, those besides)
        let rows = [
            ("shop.web@/a shop.old@/a shop.mail@ shop.db@", "/a", "web=1 mail=3 db=4", "shop.old"),
            // It was not shared before.
            ("shop.b.mail@/b shop.mail@", "/b", "mail=2", "shop.b.mail"),
            ("shop.b.mail@/b", "/b", "", "shop.b.mail"),
            ("shop.mail@/a", "/a", "mail=1", ""),
            ("shop.mail@/a", "/b", "mail=1", ""),
        ];
        for (list, folder, listed, left_over) in rows {
            let found = Registered::of(&file(), &checkout(folder, true), &services(list));
            let names: Vec<_> =
                found.services.iter().map(|it| format!("{}={}", it.name, it.port)).collect();
            let others: Vec<_> = found.left_over.iter().map(|it| it.full_name.as_str()).collect();
            assert_eq!(
                (names.join(" "), others.join(" ")),
                (listed.to_owned(), left_over.to_owned())
            );
        }
        let main = Registered::of(
            &file(),
            &checkout("/a", true),
            &services("shop.web@/a shop.db@/a shop.mail@/a"),
        );
        assert!(!main.is_complete(&file()), "a shared service remembers no folder");
    }

    #[test]
    fn a_label_is_read_back_from_any_project() {
        let label = |list: &str| {
            let label = label_of(&checkout("/a", true), &services(list));
            label.map(|label| label.to_string())
        };
        assert_eq!(label("x.b.web@/b x.c.web@/a"), Some("c".to_owned()));
        assert_eq!(label("x.web@/a"), Some(String::new()));
        assert_eq!(label("x.web@ y.b.web@/b"), None);
    }
}
