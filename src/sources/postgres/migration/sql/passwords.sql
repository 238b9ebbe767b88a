-- Roles whose password is still kept as MD5.
SELECT rolname::text FROM pg_authid WHERE rolpassword LIKE 'md5%' ORDER BY 1
