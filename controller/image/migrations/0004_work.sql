-- Who works on an image: a controller that starts again takes up its own. And the stores that have its data.
ALTER TABLE images
	ADD COLUMN IF NOT EXISTS holder CHAR(36) NULL,
	ADD COLUMN IF NOT EXISTS stores TEXT NOT NULL DEFAULT '[]';
UPDATE images SET stores = '["file"]' WHERE status IN ('active', 'deactivated');
-- What of an image's data waits for its import: a file whose name ends in place, of a disk format (empty: the image's).
ALTER TABLE staged_images
	ADD COLUMN IF NOT EXISTS place VARCHAR(16) NOT NULL DEFAULT '.staged',
	ADD COLUMN IF NOT EXISTS disk_format VARCHAR(16) NOT NULL DEFAULT '';
ALTER TABLE image_tasks
	ADD COLUMN IF NOT EXISTS holder CHAR(36) NOT NULL DEFAULT '',
	ADD COLUMN IF NOT EXISTS to_stores TEXT NOT NULL DEFAULT '[]',
	ADD KEY IF NOT EXISTS by_holder (holder, status);
