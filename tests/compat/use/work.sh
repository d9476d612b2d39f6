# What a person would do with a file system that can be written: files, folders, links, tar and git.
# It prints the same wherever the program runs as it should; $1 is the folder, empty, and is so again at the end.
set -e
exec 2>&1
cd "$1"
umask 022

echo "-- content"
echo one >a
echo two >>a
cat a
cp a b
cmp a b
truncate -s 5 b
od -c b
truncate -s 8 b
od -c b
printf X | dd of=b bs=1 seek=1 conv=notrunc status=none
od -c b
seq 100000 >numbers
tail -n 1 numbers
wc -c <numbers
sed -i s/99999/changed/ numbers
grep -n changed numbers
sort -rn numbers | head -n 1

echo "-- attributes"
chmod 640 b
stat -c '%A %s' b
touch -d @1234567890.5 b
stat -c '%Y %.9Y' b

echo "-- folders and links"
mkdir -p d renamed/e
mv a d/moved
mv d/moved renamed/e
rmdir d
cat renamed/e/moved
ln -s renamed/e/moved link
cat link
readlink link
ln b hard
stat -c %h b hard
rm b
stat -c %h hard
echo new >newer
mv newer hard
cat hard
rmdir renamed || echo "not empty"
mkdir renamed || echo "there already"
cat missing || echo "missing"
mkfifo pipe
stat -c %F pipe
rm pipe

echo "-- many names"
mkdir many
for n in $(seq 150); do echo "$n" >"many/a-name-that-is-not-short-$n"; done
ls many | wc -l
cat many/* | sort -n | tail -n 1

echo "-- tar"
tar cf all.tar many renamed link
mkdir out
tar xf all.tar -C out
diff -r many out/many
diff -r renamed out/renamed
readlink out/link
find . -type f | wc -l
rm -r out all.tar many

echo "-- git"
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=advice.detachedHead GIT_CONFIG_VALUE_0=false
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_AUTHOR_DATE='2020-01-01 00:00 +0000'
export GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b GIT_COMMITTER_DATE='2020-01-01 00:00 +0000'
git init -q -b main repository
cd repository
echo 1 >f
mkdir s
echo 2 >s/g
git add .
git commit -q -m first
echo 3 >>f
git diff --stat
git commit -q -a -m second
git log --format='%H %s'
git status --short
git fsck --strict --no-progress
git checkout -q HEAD~1
cat f
git gc -q
git log --format=%s main
cd ..
git clone -q repository clone
git -C clone status --short
ls -A clone
rm -r renamed link hard numbers
rm -rf repository clone

echo "-- the end"
ls -A
