// Takes away the service workers of an earlier site, and opens pald's page without them.

const registrations = await navigator.serviceWorker.getRegistrations();
await Promise.all(registrations.map((registration) => registration.unregister()));
location.replace("/");
