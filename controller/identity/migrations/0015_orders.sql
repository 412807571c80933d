-- In the order in which lists show rows, and for what goes with its target.
ALTER TABLE users
	ADD KEY name_order (name);
ALTER TABLE user_groups
	ADD KEY name_order (name);
ALTER TABLE projects
	ADD KEY name_order (is_domain, name),
	ADD KEY parent_order (parent_id, name),
	DROP KEY parent;
ALTER TABLE assignments
	ADD KEY target (target_kind, target_id);
ALTER TABLE catalog_parts
	ADD KEY part (part_id, kind);
ALTER TABLE revocations
	ADD KEY expires (expires_at);
