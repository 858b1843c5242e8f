-- By which verdict of flow, and to whom, something left a session that held what is private and what strangers wrote.
ALTER TABLE audit ADD COLUMN flow TEXT NOT NULL DEFAULT '';

-- What an artifact is made of: labels with blanks between. Of what was kept before nobody knows.
ALTER TABLE artifact ADD COLUMN labels TEXT NOT NULL DEFAULT 'private untrusted';
