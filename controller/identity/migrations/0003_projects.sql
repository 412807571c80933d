-- Projects nest, and a domain is a project too: one that is_domain, with the
-- domain's id, that is in no other.
ALTER TABLE projects
	ADD is_domain BOOLEAN NOT NULL DEFAULT FALSE,
	ADD tags TEXT NOT NULL DEFAULT '[]',
	ADD options TEXT NOT NULL DEFAULT '{}',
	ADD extra MEDIUMTEXT NOT NULL DEFAULT '{}',
	ADD UNIQUE KEY domain_name (domain_id, name, is_domain),
	DROP INDEX domain_id,
	ADD KEY parent (parent_id);
INSERT INTO projects (id, domain_id, parent_id, name, description, enabled, is_domain)
	SELECT id, id, '', name, description, enabled, TRUE FROM domains;
ALTER TABLE domains
	ADD tags TEXT NOT NULL DEFAULT '[]',
	ADD options TEXT NOT NULL DEFAULT '{}',
	ADD extra MEDIUMTEXT NOT NULL DEFAULT '{}';
ALTER TABLE users
	ADD options TEXT NOT NULL DEFAULT '{}',
	ADD extra MEDIUMTEXT NOT NULL DEFAULT '{}';
ALTER TABLE user_groups
	ADD extra MEDIUMTEXT NOT NULL DEFAULT '{}';
ALTER TABLE roles
	ADD options TEXT NOT NULL DEFAULT '{}';
