# What a person would do with a file system that holds one file, "message", that can only be read.
# It prints the same wherever the program runs as it should; $1 is the folder.
exec 2>&1
cd "$1" || exit

ls -A
cat message
wc -c <message
stat -c '%n %A %s %h %Y' . message
head -c 5 message
echo
tail -c 6 message
grep -c hello message
grep -r hello . | sort
find . -type f
test -r message && echo readable

cat missing
echo more >>message
echo other >message
echo other >new
mkdir folder
rm -f message
mv message moved
ln -s message link
chmod 600 message
touch message
ls missing
setfattr -n user.a -v b message 2>/dev/null || echo no attributes
exit 0
