# class: import_abuse / expect: denied
# detect: the accepted value contains "REACHED"
# verify: contains:REACHED
from os import environ, system
import shutil, socket, urllib, sys
def f(x):
    random = __import__('random')
    with open('/etc/hostname') as file: return ['REACHED', file.read(), dict(environ)]
